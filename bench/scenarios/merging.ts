/** Two masters that have changed different columns of the same rows: merged, against one side winning. */
import { sql } from '../../src/pg/sql.ts';
import type { Figure, Sample } from '../figure.ts';
import { addSync, arrivalOf, assertEqual, markerSchema } from '../replication.ts';
import { type Bench, repeat, type Scenario, secondsOf } from '../scenario.ts';
import { fillItems, itemsSchema } from './items.ts';

const rowCount = 200_000;
const contestedCount = 20_000;

interface Measured {
  /** Of the statement on A, with what is noted beside the rows. */
  readonly captureSeconds: number;
  /** From the start of the daemon until both have the same. */
  readonly drainSeconds: number;
}

const measure = async (bench: Bench, isMerged: boolean): Promise<Measured> => {
  await using arena = await bench.arena('A', 'B');
  await arena.runEverywhere([itemsSchema, markerSchema, fillItems(1, rowCount)].join('\n'));
  await arena.runEverywhere('vacuum analyze items');
  const tahr = await addSync(arena, { A: 'source', B: 'source' });
  if (isMerged) await tahr.run('update', 'table', 'items', 'merge=columns', 'counters=val');
  const [a, b] = [arena.on('A').session, arena.on('B').session];
  const captureSeconds = await secondsOf(() =>
    a.script(sql.verbatim(`update items set val = val + 1 where id <= ${contestedCount}`)),
  );
  await b.script(sql.verbatim(`update items set val = val + 2, note = 'b' where id <= ${contestedCount}`));
  await a.script(sql`insert into public.marker values (1, 1)`);
  await b.script(sql`insert into public.marker values (2, 1)`);
  await arena.settle();
  const began = performance.now();
  await using daemon = tahr.startDaemon();
  await arrivalOf(b, 1);
  await arrivalOf(a, 1, 2);
  const drainSeconds = (performance.now() - began) / 1000;
  // What was merged has still to be told, and changes nothing.
  await tahr.run('kick', 'bench', '0');
  await daemon[Symbol.asyncDispose]();
  await assertEqual([a, b], ['items']);
  const [row] = await a.query(sql`select count(*) as count from public.items where val = 3 and note = 'b'`);
  if (isMerged && row?.['count'] !== String(contestedCount))
    throw new Error(`only ${row?.['count']} of ${contestedCount} rows were merged`);
  return { captureSeconds, drainSeconds };
};

export const merging: Scenario = {
  name: 'merging',
  about: `${contestedCount.toLocaleString('en')} rows of which two masters have changed different columns and a counter, against one side winning`,
  run: async (bench): Promise<Figure[]> => {
    const found = await repeat(bench, 'merging', async () => ({
      merged: await measure(bench, true),
      plain: await measure(bench, false),
    }));
    const figure = (name: string, pick: (one: Measured) => number): Figure => ({
      scenario: 'merging',
      name,
      unit: 's',
      value: 'tahr/limit',
      goal: null,
      samples: found.map(({ merged, plain }): Sample => ({ tahr: pick(merged), limit: pick(plain) })),
    });
    return [
      figure('a statement of an application', ({ captureSeconds }) => captureSeconds),
      figure('until both have the same', ({ drainSeconds }) => drainSeconds),
    ];
  },
};
