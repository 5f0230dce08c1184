/** What a line costs on which every packet takes 50 ms, to the target or to the source. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from '../../src/pg/sql.ts';
import type { Arena } from '../arena.ts';
import { type Figure, summaryOf } from '../figure.ts';
import { latenciesOf } from '../latencies.ts';
import { addSync, arrivalOf, assertEqual, markerSchema, setMarker } from '../replication.ts';
import { type Bench, repeat, type Scenario, secondsOf } from '../scenario.ts';
import { SlowLine } from '../slow-line.ts';
import { fillItems, itemsSchema } from './items.ts';

const delayMs = 50;
const roundTripMs = 2 * delayMs;
/** Few and far apart, so that each has a round of its own. */
const single = { rowCount: 10, perSecond: 0.5 };
const drainedCount = 300_000;

interface Measured {
  /** Of one row, from commit to commit; the median. */
  readonly latencyMs: number;
  /** From the commit of many rows until they have arrived, while the daemon runs. */
  readonly drainSeconds: number;
}

/** @param delayed the database to which the line leads; null: none is delayed */
const measure = async (bench: Bench, delayed: 'A' | 'B' | null): Promise<Measured> => {
  await using arena = await bench.arena('A', 'B');
  await arena.runEverywhere([itemsSchema, markerSchema, fillItems(1, single.rowCount)].join('\n'));
  await arena.runEverywhere('vacuum analyze items');
  const [source, target] = [arena.on('A').session, arena.on('B').session];
  await using line = delayed === null ? null : await SlowLine.to(arena.on(delayed).parameters, delayMs);
  if (line !== null && delayed !== null) arena.lead(delayed, line.address);
  const tahr = await addSync(arena, { A: 'source', B: 'target' });
  await using daemon = tahr.startDaemon();
  await source.script(sql.verbatim(setMarker(1)));
  await arrivalOf(target, 1);
  await sleep(2_000);
  const { median } = summaryOf(await latenciesOf(arena, { ...single, marker: 2 }));
  await drain(arena, { firstId: single.rowCount + 1, marker: 3 });
  const drainSeconds = await drain(arena, { firstId: single.rowCount + drainedCount + 1, marker: 4 });
  await daemon[Symbol.asyncDispose]();
  await assertEqual([source, target], ['items']);
  return { latencyMs: median, drainSeconds };
};

/** The first one warms servers and daemon up. @returns seconds from the commit until the rows have arrived */
const drain = async (
  arena: Arena,
  { firstId, marker }: { readonly firstId: number; readonly marker: number },
): Promise<number> => {
  await arena.settle();
  await arena
    .on('A')
    .session.script(
      sql`begin`,
      sql.verbatim(fillItems(firstId, firstId + drainedCount - 1)),
      sql.verbatim(setMarker(marker)),
      sql`commit`,
    );
  return secondsOf(() => arrivalOf(arena.on('B').session, marker));
};

type Side = 'source' | 'target';

interface Comparison extends Record<Side, Measured> {
  readonly direct: Measured;
}

const figuresOf = (side: Side, found: readonly Comparison[]): Figure[] => [
  {
    scenario: 'slow-line',
    name: `to the ${side}, one change from commit to commit`,
    unit: 'ms',
    value: 'tahr',
    goal: null,
    samples: found.map((one) => ({ tahr: one[side].latencyMs, limit: one.direct.latencyMs })),
  },
  {
    scenario: 'slow-line',
    name: `to the ${side}, the same in times to and fro`,
    unit: '×',
    value: 'tahr',
    goal: null,
    samples: found.map((one) => ({ tahr: one[side].latencyMs / roundTripMs, limit: null })),
  },
  {
    scenario: 'slow-line',
    name: `to the ${side}, a drain against one without delay`,
    unit: 's',
    value: 'tahr/limit',
    goal: { must: 2, aim: 1.5 },
    samples: found.map((one) => ({ tahr: one[side].drainSeconds, limit: one.direct.drainSeconds })),
  },
];

export const slowLine: Scenario = {
  name: 'slow-line',
  about: `one change, and ${drainedCount.toLocaleString('en')} inserted rows, over a line of ${delayMs} ms each way`,
  run: async (bench): Promise<Figure[]> => {
    const found = await repeat(
      bench,
      'slow-line',
      async (): Promise<Comparison> => ({
        direct: await measure(bench, null),
        target: await measure(bench, 'B'),
        source: await measure(bench, 'A'),
      }),
    );
    return [...figuresOf('target', found), ...figuresOf('source', found)];
  },
};
