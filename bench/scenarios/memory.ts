/** How much memory the daemon takes at most, with many keys and with large rows. */
import { sql } from '../../src/pg/sql.ts';
import type { Figure } from '../figure.ts';
import { addSync, arrivalOf, assertEqual, markerSchema, setMarker } from '../replication.ts';
import { type Bench, repeat, type Scenario } from '../scenario.ts';
import { fillItems, itemsSchema } from './items.ts';

const keyCount = 1_000_000;
const sharedCount = 5_000;
const rowCount = 2 * keyCount - sharedCount;

const change = (first: number, last: number, note: string): string =>
  `update items set val = val + 1, note = repeat(md5(id::text || '${note}'), 3) where id between ${first} and ${last}`;

/** Both were written while no daemon ran, and some rows on both. */
const measureKeys = async (bench: Bench): Promise<number> => {
  await using arena = await bench.arena('A', 'B');
  await arena.runEverywhere([itemsSchema, markerSchema, fillItems(1, rowCount)].join('\n'));
  await arena.runEverywhere('vacuum analyze items');
  const tahr = await addSync(arena, { A: 'source', B: 'source' });
  const [a, b] = [arena.on('A').session, arena.on('B').session];
  await a.script(sql.verbatim(change(1, keyCount, 'a')), sql`insert into public.marker values (1, 1)`);
  await b.script(
    sql.verbatim(change(keyCount - sharedCount + 1, rowCount, 'b')),
    sql`insert into public.marker values (2, 1)`,
  );
  await arena.settle();
  await using daemon = tahr.startDaemon();
  await arrivalOf(b, 1);
  await arrivalOf(a, 1, 2);
  const { peakMegabytes } = await daemon.usage();
  await daemon[Symbol.asyncDispose]();
  await assertEqual([a, b], ['items', 'marker']);
  return peakMegabytes;
};

/** Stored as it is: what PostgreSQL makes of it by compression is not what travels. */
const documentsSchema = `
  create table documents (id integer primary key, body text not null, raw bytea not null);
  alter table documents alter body set storage external, alter raw set storage external;`;

const documentBytes = 50 * 1024 * 1024;
const text = `repeat(md5(i::text), ${documentBytes / 32})`;
const bytes = `decode(repeat(md5(i::text), ${documentBytes / 16}), 'hex')`;

/** Odd rows are large by their text, even ones by their bytes. */
const fillDocuments = (first: number, last: number): string => `
  insert into documents
  select i, case i % 2 when 1 then ${text} else '' end, case i % 2 when 1 then '' else ${bytes} end
    from generate_series(${first}, ${last}) i`;

/** Four rows in the first round, then one more of each kind in rounds of one row. */
const measureRows = async (bench: Bench): Promise<number> => {
  await using arena = await bench.arena('A', 'B');
  await arena.runEverywhere([documentsSchema, markerSchema].join('\n'));
  const [source, target] = [arena.on('A').session, arena.on('B').session];
  const tahr = await addSync(arena, { A: 'source', B: 'target' });
  await source.script(sql.verbatim(fillDocuments(1, 4)), sql.verbatim(setMarker(1)));
  await using daemon = tahr.startDaemon();
  await arrivalOf(target, 1);
  for (const id of [5, 6]) {
    await source.script(sql.verbatim(fillDocuments(id, id)), sql.verbatim(setMarker(id)));
    await arrivalOf(target, id);
  }
  const { peakMegabytes } = await daemon.usage();
  await daemon[Symbol.asyncDispose]();
  await assertEqual([source, target], ['documents']);
  return peakMegabytes;
};

const figure = async (
  bench: Bench,
  name: string,
  measure: (bench: Bench) => Promise<number>,
): Promise<Figure> => ({
  scenario: 'memory',
  name,
  unit: 'MB',
  value: 'tahr',
  goal: { must: 200, aim: 120 },
  samples: await repeat(bench, `memory, ${name}`, async () => ({ tahr: await measure(bench), limit: null })),
});

export const memory: Scenario = {
  name: 'memory',
  about:
    'the largest resident set of the daemon, with a million keys pending on both masters and with rows of 50 MB',
  run: async (bench): Promise<Figure[]> => [
    await figure(bench, 'a million keys pending on both masters', measureKeys),
    await figure(bench, 'rows of 50 MB', measureRows),
  ],
};
