/** Two databases that were both written while no daemon ran, also in the same rows, against one way. */
import { sql } from '../../src/pg/sql.ts';
import type { Figure, Sample } from '../figure.ts';
import { addSync, arrivalOf, assertEqual, markerSchema } from '../replication.ts';
import { type Bench, repeat, type Scenario } from '../scenario.ts';
import { fillItems, itemsSchema } from './items.ts';

const change = (from: number, to: number, note: string): string =>
  `update items set val = val + 1, note = repeat(md5(id::text || '${note}'), 3) where id between ${from} and ${to}`;

const bothWays = { A: 'source', B: 'source' } as const;
const oneWay = { A: 'source', B: 'target' } as const;

/** Seconds from the daemon's start until what each source has written is on the other database. */
const measure = async (
  bench: Bench,
  roles: Readonly<Record<string, 'source' | 'target'>>,
  writes: Readonly<Record<string, readonly string[]>>,
): Promise<number> => {
  await using arena = await bench.arena('A', 'B');
  await arena.runEverywhere([itemsSchema, markerSchema, fillItems(1, 300_000)].join('\n'));
  await arena.runEverywhere('vacuum analyze items');
  const tahr = await addSync(arena, roles);
  const [a, b] = [arena.on('A').session, arena.on('B').session];
  for (const [name, statements] of Object.entries(writes))
    for (const statement of statements) await arena.on(name).session.script(sql.verbatim(statement));
  await a.script(sql`insert into public.marker values (1, 1)`);
  if (writes['B'] !== undefined) await b.script(sql`insert into public.marker values (2, 1)`);
  await arena.settle();
  const began = performance.now();
  await using daemon = tahr.startDaemon();
  await arrivalOf(b, 1);
  if (writes['B'] !== undefined) await arrivalOf(a, 1, 2);
  const seconds = (performance.now() - began) / 1000;
  await daemon[Symbol.asyncDispose]();
  await assertEqual([a, b], ['items']);
  return seconds;
};

export const masters: Scenario = {
  name: 'multi-master',
  about: '50,000 rows changed on A, 50,000 others on B, 5,000 on both, against the same 105,000 one way',
  run: async (bench): Promise<Figure[]> => {
    const samples = await repeat(bench, 'multi-master', async (): Promise<Sample> => {
      const tahr = await measure(bench, bothWays, {
        A: [change(1, 55_000, 'a')],
        B: [change(50_001, 105_000, 'b')],
      });
      const limit = await measure(bench, oneWay, { A: [change(1, 105_000, 'a')] });
      return { tahr, limit };
    });
    return [
      {
        scenario: 'multi-master',
        name: 'against one way',
        unit: 's',
        value: 'limit/tahr',
        goal: { must: 0.5, aim: 0.8 },
        samples,
      },
    ];
  },
};
