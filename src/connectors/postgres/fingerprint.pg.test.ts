import { expect, test } from 'vitest';
import { createDatabase } from '../../../test/support/databases.ts';
import type { DatabaseId, RelationId } from '../../model/topology.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { installCapture } from './capture.ts';
import { compareFingerprints, readFingerprints, type FingerprintFinding } from './fingerprint.ts';
import { installSchema } from './identity.ts';
import { readTables } from './introspect.ts';

const schema = 'tahr';

/** What is found after these statements, on a plain and a partitioned table. */
const findAfter = async (...statements: readonly Sql[]): Promise<(FingerprintFinding | null)[]> => {
  const database = await createDatabase('fingerprint');
  const session = await database.session();
  await session.script(
    sql`create type public.pair as (a int, b int)`,
    sql`create domain public.checked as public.pair`,
    sql`create type public.wrapped as (c public.checked[])`,
    sql`create table public.t (id int primary key, v int, w public.wrapped)`,
    sql`create table public.p (id int primary key) partition by range (id)`,
    sql`create table public.p_1 partition of public.p for values from (0) to (100)`,
  );
  const owner = { schema, installation: '11111111-1111-1111-1111-111111111111', database: 1 as DatabaseId };
  await installSchema(session, owner);
  const names = ['t', 'p'].map((name) => ({ relation: { schema: 'public', name }, keyIndex: null }));
  const tables = (await readTables(session, names, { schema, oldestVersion: 130000 })).filter(
    (table) => table !== null,
  );
  const requests = tables.map((table, index) => ({ id: (index + 1) as RelationId, table }));
  await installCapture(session, { schema, tables: requests, signal: new AbortController().signal });
  const oids = tables.map(({ oid }) => oid);
  const before = await readFingerprints(session, schema, oids);
  expect(tables.map(({ oid }) => before.get(oid)?.table)).toEqual(
    tables.map(({ fingerprint }) => fingerprint),
  );
  await session.script(...statements);
  const now = await readFingerprints(session, schema, oids);
  return oids.map((oid) => {
    const known = before.get(oid);
    if (known === undefined) throw new Error('no fingerprint');
    return compareFingerprints(known, now.get(oid));
  });
};

test('ordinary work leaves the fingerprints as they are', async () => {
  expect(await findAfter(sql`insert into public.t values (1)`, sql`analyze public.t`)).toEqual([null, null]);
});

test('a load with triggers disabled is found although they are enabled again', async () => {
  const load = [sql`alter table public.t disable trigger all`, sql`alter table public.t enable trigger all`];
  expect(await findAfter(...load)).toEqual(['capture_disturbed', null]);
});

test('a changed column and a dropped table are found', async () => {
  expect(await findAfter(sql`alter table public.t alter v type bigint`)).toEqual(['columns_changed', null]);
  expect(await findAfter(sql`drop table public.t`)).toEqual(['relation_missing', null]);
});

test('a changed attribute of a composite type inside a column is found', async () => {
  const rename = sql`alter type public.pair rename attribute a to z`;
  expect(await findAfter(rename)).toEqual(['columns_changed', null]);
});

test('a trigger that will fire for rows of ours is found, on a partition too', async () => {
  const make = (table: string): Sql[] => [
    sql`create function public.f() returns trigger language plpgsql as 'begin return new; end'`,
    sql`create trigger f before insert on ${sql.id('public', table)} for each row execute function public.f()`,
  ];
  expect(await findAfter(...make('t'))).toEqual([null, null]);
  expect(await findAfter(...make('t'), sql`alter table public.t enable always trigger f`)).toEqual([
    'columns_changed',
    null,
  ]);
  expect(await findAfter(...make('p_1'), sql`alter table public.p_1 enable replica trigger f`)).toEqual([
    null,
    'columns_changed',
  ]);
});

test('partitions that come and go are found', async () => {
  const attach = sql`create table public.p_2 partition of public.p for values from (100) to (200)`;
  expect(await findAfter(attach)).toEqual([null, 'partitions_changed']);
  expect(await findAfter(sql`alter table public.p detach partition public.p_1`)).toEqual([
    null,
    'partitions_changed',
  ]);
  const round = [
    sql`alter table public.p detach partition public.p_1`,
    sql`alter table public.p attach partition public.p_1 for values from (0) to (100)`,
  ];
  expect(await findAfter(...round)).toEqual([null, 'partitions_changed']);
});
