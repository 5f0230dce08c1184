import { expect, test } from 'vitest';
import { createDatabase } from '../../../test/support/databases.ts';
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';
import { finding, statisticsOf, type TableStatistics } from './finding-rows.ts';
import { readTables } from './introspect.ts';

const statisticsIn = async (session: Session, name: string): Promise<TableStatistics> => {
  const names = [{ relation: { schema: 'public', name }, keyIndex: null }];
  const [table] = await readTables(session, names, { schema: 'tahr', oldestVersion: 130000 });
  if (table?.key === undefined || table.key === null) throw new Error(`${name} has no key`);
  const [statistics] = await session.ask(statisticsOf(table, table.key));
  return statistics;
};

test('the statistics of a table tell how many rows it has, over all partitions, and how orderly they lie', async () => {
  const database = await createDatabase('finding');
  const session = await database.session();
  await session.script(
    sql`create table public."in order" (id bigint primary key)`,
    sql`create table public.mixed (id text primary key)`,
    sql`create table public.unknown (id int primary key)`,
    sql`create table public.parted (id int primary key) partition by range (id)`,
    sql`create table public.part_1 partition of public.parted for values from (0) to (4000)`,
    sql`create table public.part_2 partition of public.parted for values from (4000) to (10000)`,
    sql`insert into public."in order" select i from generate_series(1, 5000) i`,
    sql`insert into public.mixed select md5(i::text) from generate_series(1, 5000) i`,
    sql`insert into public.parted select i from generate_series(1, 5000) i`,
    sql`analyze public."in order", public.mixed, public.parted`,
  );
  expect(await statisticsIn(session, 'in order')).toEqual({ rowCount: 5000, correlation: 1 });
  const mixed = await statisticsIn(session, 'mixed');
  expect(mixed.rowCount).toBe(5000);
  expect(Math.abs(mixed.correlation ?? 1)).toBeLessThan(0.2);
  expect(await statisticsIn(session, 'parted')).toEqual({ rowCount: 5000, correlation: 1 });
  expect((await statisticsIn(session, 'unknown')).correlation).toBeNull();
});

test.each([
  ['lookups', 'Nested Loop'],
  ['merge', 'Merge Join'],
  ['hash', 'Hash Join'],
] as const)('%s finds rows by a %s, and the next statement is planned as ever', async (way, join) => {
  const database = await createDatabase('finding');
  const session = await database.session();
  await session.script(
    sql`create table public.items (id bigint primary key, note text)`,
    sql`insert into public.items select i, 'old' from generate_series(1, 50000) i`,
    sql`create table public.keys (k bigint)`,
  );
  await session.script(sql`vacuum analyze public.items`);
  await session.script(sql`begin`);
  const settings = sql`select current_setting('enable_nestloop') || current_setting('enable_hashjoin') as planned`;
  const explain = sql`
    explain (format json)
    select t.note from (select distinct k from public.keys where k % 7 = 3) d left join public.items t on t.id = d.k`;
  const answers = (await session.script(finding(way, explain), settings)).flat();
  expect(JSON.stringify(answers)).toContain(`\\"Node Type\\": \\"${join}\\"`);
  expect(answers.at(-1)).toEqual({ planned: 'onon' });
});
