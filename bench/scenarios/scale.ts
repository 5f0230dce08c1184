/** What many tables, many targets and a long history cost, against one table, one target and none. */
import { sql } from '../../src/pg/sql.ts';
import type { Figure, Sample } from '../figure.ts';
import { addSync, arrivalOf, assertEqual, markerSchema, setMarker } from '../replication.ts';
import { type Bench, repeat, type Scenario } from '../scenario.ts';

const changeCount = 100_000;

const tableNames = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `items_${index + 1}`);

/** Seconds from the daemon's start until changes, spread over the tables evenly, are on all targets. */
const drain = async (
  bench: Bench,
  { tableCount, targets }: { readonly tableCount: number; readonly targets: readonly string[] },
): Promise<number> => {
  await using arena = await bench.arena('A', ...targets);
  const tables = tableNames(tableCount);
  const perTable = changeCount / tableCount;
  const schema = tables.map(
    (table) => `create table ${table} (id bigint primary key, val integer not null, note text not null);
      insert into ${table} select i, 0, repeat(md5(i::text), 3) from generate_series(1, ${perTable}) i;`,
  );
  await arena.runEverywhere([...schema, markerSchema].join('\n'));
  await arena.runEverywhere('vacuum analyze');
  const roles = Object.fromEntries(targets.map((name) => [name, 'target' as const]));
  const tahr = await addSync(arena, { A: 'source', ...roles });
  const source = arena.on('A').session;
  for (const table of tables) await source.script(sql`update ${sql.id('public', table)} set val = val + 1`);
  await source.script(sql.verbatim(setMarker(1)));
  await arena.settle();
  const began = performance.now();
  await using daemon = tahr.startDaemon();
  const sessions = targets.map((name) => arena.on(name).session);
  await Promise.all(sessions.map((session) => arrivalOf(session, 1)));
  const seconds = (performance.now() - began) / 1000;
  await daemon[Symbol.asyncDispose]();
  await assertEqual([source, ...sessions], tables);
  return seconds;
};

const tables: Scenario = {
  name: 'tables',
  about: `${changeCount.toLocaleString('en')} rows changed in 10 and in 100 tables, against one table`,
  run: async (bench): Promise<Figure[]> => {
    const found = await repeat(bench, 'tables', async () => {
      const [one, ten, hundred] = [
        await drain(bench, { tableCount: 1, targets: ['B'] }),
        await drain(bench, { tableCount: 10, targets: ['B'] }),
        await drain(bench, { tableCount: 100, targets: ['B'] }),
      ];
      return { one, ten, hundred };
    });
    const figure = { scenario: 'tables', unit: 's', value: 'tahr/limit' } as const;
    return [
      {
        ...figure,
        name: '10',
        goal: null,
        samples: found.map(({ one, ten }) => ({ tahr: ten, limit: one })),
      },
      {
        ...figure,
        name: '100',
        goal: { must: 1.3, aim: 1 },
        samples: found.map(({ one, hundred }) => ({ tahr: hundred, limit: one })),
      },
    ];
  },
};

const targets: Scenario = {
  name: 'targets',
  about: `${changeCount.toLocaleString('en')} rows changed, to 4 targets against one`,
  run: async (bench): Promise<Figure[]> => [
    {
      scenario: 'targets',
      name: '4',
      unit: 's',
      value: 'tahr/limit',
      goal: { must: 2.5, aim: 1.7 },
      samples: await repeat(
        bench,
        'targets',
        async (): Promise<Sample> => ({
          limit: await drain(bench, { tableCount: 1, targets: ['B'] }),
          tahr: await drain(bench, { tableCount: 1, targets: ['B', 'C', 'D', 'E'] }),
        }),
      ),
    },
  ],
};

export const scaleScenarios: readonly Scenario[] = [tables, targets];
