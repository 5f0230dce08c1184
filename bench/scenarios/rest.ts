/** What is there all the time: idle syncs, and rounds after a long history. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from '../../src/pg/sql.ts';
import type { Arena } from '../arena.ts';
import { type Figure, type Sample, summaryOf } from '../figure.ts';
import { latenciesOf } from '../latencies.ts';
import { addSync, arrivalOf, markerSchema, setMarker } from '../replication.ts';
import { type Bench, repeat, type Scenario } from '../scenario.ts';
import { fillItems, itemsSchema } from './items.ts';

const idleSeconds = 20;

const idle: Scenario = {
  name: 'idle',
  about: 'processor time of a daemon with one sync that has nothing to do',
  run: async (bench): Promise<Figure[]> => [
    {
      scenario: 'idle',
      name: 'one sync, share of a core',
      unit: '%',
      value: 'tahr',
      goal: { must: 1, aim: 0.1 },
      samples: await repeat(bench, 'idle', async () => ({ tahr: await measureIdle(bench), limit: null })),
    },
  ],
};

const measureIdle = async (bench: Bench): Promise<number> => {
  await using arena = await bench.arena('A', 'B');
  await arena.runEverywhere([itemsSchema, markerSchema].join('\n'));
  const tahr = await addSync(arena, { A: 'source', B: 'target' });
  await using daemon = tahr.startDaemon();
  await arena.on('A').session.script(sql.verbatim(setMarker(1)));
  await arrivalOf(arena.on('B').session, 1);
  await sleep(5_000);
  const before = await daemon.usage();
  await sleep(idleSeconds * 1000);
  const after = await daemon.usage();
  return ((after.cpuSeconds - before.cpuSeconds) / idleSeconds) * 100;
};

const historyRowCount = 250_000;

/** From commit to commit, in the middle of a stream that is thin enough for a round of each transaction. */
const medianLatency = async (arena: Arena, marker: number): Promise<number> =>
  summaryOf(await latenciesOf(arena, { rowCount: 100, perSecond: 10, marker })).median;

const measureHistory = async (bench: Bench): Promise<{ fresh: number; long: number; held: number }> => {
  await using arena = await bench.arena('A', 'B');
  await arena.runEverywhere([itemsSchema, markerSchema, fillItems(1, historyRowCount)].join('\n'));
  await arena.runEverywhere('vacuum analyze items');
  const [source, target] = [arena.on('A').session, arena.on('B').session];
  const tahr = await addSync(arena, { A: 'source', B: 'target' });
  await using _daemon = tahr.startDaemon();
  await source.script(sql.verbatim(setMarker(1)));
  await arrivalOf(target, 1);
  let marker = 1;
  const consume = async (laps: number): Promise<void> => {
    for (let lap = 0; lap < laps; lap += 1) {
      await source.script(sql`update public.items set val = val + 1`);
      await source.script(sql.verbatim(setMarker((marker += 1))));
      await arrivalOf(target, marker);
    }
    await arena.runEverywhere('vacuum analyze items');
    await arena.settle();
  };
  await consume(0);
  const fresh = await medianLatency(arena, (marker += 1));
  await consume(4);
  const long = await medianLatency(arena, (marker += 1));
  await using application = await arena.another('A');
  await application.script(sql`begin`, sql`create temporary table held (id integer)`);
  await consume(1);
  const held = await medianLatency(arena, (marker += 1));
  await application.script(sql`rollback`);
  return { fresh, long, held };
};

const history: Scenario = {
  name: 'history',
  about:
    'a small transaction, from commit to commit, after 1,000,000 consumed changes and while a transaction stays open, against none',
  run: async (bench): Promise<Figure[]> => {
    const found = await repeat(bench, 'history', () => measureHistory(bench));
    const figure = {
      scenario: 'history',
      unit: 'ms',
      value: 'tahr/limit',
      goal: { must: 1.2, aim: 1 },
    } as const;
    const against = (pick: (one: { long: number; held: number }) => number): Sample[] =>
      found.map((one) => ({ tahr: pick(one), limit: one.fresh }));
    return [
      { ...figure, name: 'after 1,000,000 changes', samples: against(({ long }) => long) },
      { ...figure, name: 'while a transaction stays open', samples: against(({ held }) => held) },
    ];
  },
};

export const restScenarios: readonly Scenario[] = [history, idle];
