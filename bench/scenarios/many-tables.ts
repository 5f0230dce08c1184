/** What a sync of very many tables costs: where one of them changes at a time, and where all have. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from '../../src/pg/sql.ts';
import { type Figure, summaryOf } from '../figure.ts';
import { latenciesOf } from '../latencies.ts';
import { addSync, arrivalOf, assertEqual, markerSchema, setMarker } from '../replication.ts';
import { type Bench, repeat, type Scenario } from '../scenario.ts';
import { fillItems, itemsSchema } from './items.ts';

const tableCount = 1_000;
const rowCount = 200;
const perSecond = 20;

interface Measured {
  /** Milliseconds from commit to commit, in the middle. */
  readonly medianMs: number;
  readonly peakMegabytes: number;
}

const measure = async (bench: Bench, others: readonly string[]): Promise<Measured> => {
  await using arena = await bench.arena('A', 'B');
  const schema = others.map(
    (table) => `create table ${table} (id integer primary key, val integer not null);`,
  );
  await arena.runEverywhere([itemsSchema, markerSchema, ...schema, fillItems(1, rowCount)].join('\n'));
  await arena.runEverywhere('vacuum analyze items');
  const [source, target] = [arena.on('A').session, arena.on('B').session];
  const tahr = await addSync(arena, { A: 'source', B: 'target' });
  await using daemon = tahr.startDaemon();
  await source.script(sql.verbatim(setMarker(1)));
  await arrivalOf(target, 1);
  await sleep(1_000);
  const latencies = await latenciesOf(arena, { rowCount, perSecond, marker: 2 });
  await source.script(
    sql`begin`,
    ...others.map(
      (table) => sql`insert into ${sql.id('public', table)} select i, 0 from generate_series(1, 10) i`,
    ),
    sql.verbatim(setMarker(3)),
    sql`commit`,
  );
  await arrivalOf(target, 3);
  const { peakMegabytes } = await daemon.usage();
  await daemon[Symbol.asyncDispose]();
  await assertEqual([source, target], ['items', ...others]);
  return { medianMs: summaryOf(latencies).median, peakMegabytes };
};

const name = 'many-tables';

export const manyTables: Scenario = {
  name,
  about: `a sync of ${tableCount.toLocaleString('en')} tables: changes of one against a sync of that one, and memory when all have changed`,
  run: async (bench): Promise<Figure[]> => {
    const others = Array.from({ length: tableCount - 1 }, (_, index) => `other_${index + 1}`);
    const found = await repeat(bench, name, async () => ({
      one: await measure(bench, []),
      many: await measure(bench, others),
    }));
    return [
      {
        scenario: name,
        name: 'one changed of 1,000',
        unit: 'ms',
        value: 'tahr/limit',
        goal: { must: 1.2, aim: 1 },
        samples: found.map(({ one, many }) => ({ tahr: many.medianMs, limit: one.medianMs })),
      },
      {
        scenario: name,
        name: 'memory when all 1,000 have changed',
        unit: 'MB',
        value: 'tahr',
        goal: { must: 200, aim: 120 },
        samples: found.map(({ many }) => ({ tahr: many.peakMegabytes, limit: null })),
      },
    ];
  },
};
