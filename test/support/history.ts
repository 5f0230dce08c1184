/** Random writes to a table `items (id bigint primary key, note text)`, from a seed. */
import type { Applications } from './site.ts';

export type Random = () => number;

/** A small, fast generator (mulberry32), so that a failing seed replays. */
export const randomFrom = (seed: number): Random => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/** `TEST_SEED` chooses another history. */
export const testSeed = (): number => Number(process.env['TEST_SEED'] ?? 7);

export const someOf = <T>(all: readonly T[], random: Random, probability: number): T[] =>
  all.filter(() => random() < probability);

export const put = (id: number, note: string): string =>
  `insert into items values (${id}, '${note}') on conflict (id) do update set note = excluded.note`;

const keyCount = 6;

/** One transaction on one of the databases. */
export const writeSomething = async (
  { run }: Pick<Applications, 'run'>,
  names: readonly string[],
  { random, step }: { readonly random: Random; readonly step: number },
): Promise<void> => {
  const name = names[Math.floor(random() * names.length)] ?? 'A';
  const id = 1 + Math.floor(random() * keyCount);
  const kind = random();
  if (kind < 0.02) await run(name, 'truncate items');
  else if (kind < 0.15) await run(name, `delete from items where id = ${id}`);
  else if (kind < 0.25)
    await run(
      name,
      `update items set id = id + ${keyCount} where id = ${id} and not exists (select from items where id = ${id + keyCount})`,
    );
  else await run(name, put(id, `${name}${step}`));
};
