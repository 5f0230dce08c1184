import { expect, test } from 'vitest';
import { createDatabase, databaseOn } from '../../../test/support/databases.ts';
import { majors, startServer } from '../../../tools/embedded-postgres.ts';
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';
import { readTables } from './introspect.ts';
import { keyMatches, type Table } from './table.ts';

const schema = `
create extension citext schema public;
create type public.mood as enum ('sad', 'ok');
create type public.pair as (a int, m public.mood);
create domain public.small_id as smallint check (value > 0);
create domain public.smaller_id as public.small_id;
create table public.everything (
  id public.smaller_id primary key, big bigint generated always as identity, v varchar(10) not null, c char(5),
  m public.mood, ms public.mood[], p public.pair, x xml, r regclass, mo money, ci public.citext, ia int[],
  n numeric(10,4) default 1, i interval, tr tstzrange, g int generated always as (id * 2) stored, gone int, j jsonb);
alter table public.everything drop column gone;
create table public.no_key (a int);
create table public.nullable_key (a int unique, b int not null, c int);
create unique index partial on public.nullable_key (b) where c > 0;
create unique index expr on public.nullable_key (b, (c + 1));
create table public.unique_key (a int not null, b int not null, c int not null);
create unique index b_two on public.unique_key (a, b) include (c);
create unique index a_two on public.unique_key (b, c);
create unique index z_one on public.unique_key (c);
create table public.later (id int primary key deferrable, u int not null unique);
create table public."Mixed ""Ünï"" $1" ("Key \\ 1" public.citext, "m" public.mood, t text collate "C", nm name, ch char(4),
  primary key ("Key \\ 1", "m", t, nm, ch));
create table public.parted (id int, at date, primary key (id, at)) partition by range (at);
create table public.parted_1 partition of public.parted for values from ('2020-01-01') to ('2030-01-01');
create table public.parent (id int primary key);
create table public.child (extra int, primary key (id)) inherits (public.parent);
create table public.secret (id int primary key);
alter table public.secret enable row level security;
create table public.refers (id int primary key references public.secret);
create function public.noop() returns trigger language plpgsql as 'begin return null; end';
create trigger t_on after insert on public.refers for each row execute function public.noop();
create trigger t_off after insert on public.refers for each row execute function public.noop();
alter table public.refers disable trigger t_off;
create rule r as on delete to public.refers do nothing;
create view public.v as select 1 as a;
`;

const read = async (session: Session, names: string[], oldestVersion = 180000): Promise<(Table | null)[]> =>
  readTables(
    session,
    names.map((name) => ({ relation: { schema: 'public', name }, keyIndex: null })),
    { schema: 'tahr', oldestVersion },
  );

test.each(majors)('tables are read as they are on PostgreSQL %i', async (major) => {
  await using server = await startServer({ major, settings: { fsync: 'off' } });
  await using database = await databaseOn(server, 'introspect');
  const session = await database.session();
  await session.script(sql.verbatim(schema));

  const [everything, missing, view, noKey, nullable, unique, later] = await read(session, [
    'everything',
    'missing',
    'v',
    'no_key',
    'nullable_key',
    'unique_key',
    'later',
  ]);
  expect([missing, view]).toEqual([null, null]);
  expect(everything?.columns.map(({ name }) => name)).toEqual([
    'id',
    'big',
    'v',
    'c',
    'm',
    'ms',
    'p',
    'x',
    'r',
    'mo',
    'ci',
    'ia',
    'n',
    'i',
    'tr',
    'g',
    'j',
  ]);
  expect(everything?.columns.filter(({ transport }) => transport === 'text').map(({ name }) => name)).toEqual(
    [...(major === 13 ? ['ms', 'p'] : []), 'x', 'r', 'mo', 'ci'].sort(
      (a, b) => 'ms p x r mo ci'.indexOf(a) - 'ms p x r mo ci'.indexOf(b),
    ),
  );
  expect(everything?.columns[0]).toMatchObject({
    type: 'public.smaller_id',
    baseType: 'smallint',
    notNull: true,
  });
  expect(everything?.columns[1]).toMatchObject({ identity: 'always', type: 'bigint' });
  expect(everything?.columns.find(({ name }) => name === 'g')).toMatchObject({
    isGenerated: true,
    hasDefault: false,
  });
  expect(everything?.columns.find(({ name }) => name === 'n')).toMatchObject({
    hasDefault: true,
    type: 'numeric(10,4)',
  });
  expect(everything?.key).toEqual({
    index: 'everything_pkey',
    isDeferrable: false,
    columns: [
      {
        name: 'id',
        deltaType: 'bigint',
        deltaSuffix: '',
        domainSuffix: '::smallint',
        equals: 'operator(pg_catalog.=)',
        equalityIsBytes: true,
      },
    ],
  });
  expect(noKey?.keyProblem).toBe('it has no primary key and no unique index');
  expect(nullable?.key).toBeNull();
  expect(nullable?.keyProblem).toBe(
    'unique index "expr" has an expression, unique index "nullable_key_a_key" has a column "a" that allows NULL, ' +
      'unique index "partial" covers only a part of the rows',
  );
  expect(unique?.key?.index).toBe('z_one');
  expect(unique?.uniqueIndexes.map(({ index }) => index)).toEqual(['a_two', 'b_two']);
  expect(unique?.uniqueIndexes[1]?.columns.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(later?.key).toMatchObject({ index: 'later_pkey', isDeferrable: true });
  expect(later?.uniqueIndexes).toMatchObject([
    { index: 'later_u_key', columns: [{ name: 'u' }], isDeferrable: false },
  ]);

  const [parted, partition, parent, child, secret, refers] = await read(session, [
    'parted',
    'parted_1',
    'parent',
    'child',
    'secret',
    'refers',
  ]);
  expect([parted?.kind, partition?.kind, parent?.kind, child?.kind, secret?.kind]).toEqual([
    'partitioned',
    'partition',
    'tree',
    'tree',
    'plain',
  ]);
  expect(secret?.hasRowSecurity).toBe(false);
  expect(secret?.firesWithoutReplicaRole).toEqual(['foreign key "refers_id_fkey"']);
  expect(refers?.firesWithoutReplicaRole).toEqual([
    'foreign key "refers_id_fkey"',
    'rule "r"',
    'trigger "t_on"',
  ]);
});

test('a delta finds its row through the index of a key of unusual types', async () => {
  await using database = await createDatabase('keys');
  const session = await database.session();
  await session.script(sql.verbatim(schema));
  const [table] = await read(session, ['Mixed "Ünï" $1']);
  const key = table?.key;
  if (!key) throw new Error('no key');
  expect(key.columns.map(({ deltaType }) => deltaType)).toEqual(['text', 'text', 'text', 'text', 'bpchar']);
  expect(key.columns.map(({ equalityIsBytes }) => equalityIsBytes)).toEqual([false, true, true, true, false]);
  const name = sql.id('public', 'Mixed "Ünï" $1');
  const columns = key.columns.map(
    ({ deltaType }, index) => sql`${sql.id(`k${index + 1}`)} ${sql.verbatim(deltaType)}`,
  );
  await session.script(
    sql`insert into ${name} values ('Abc', 'ok', 't', 'n', 'x'), ('other', 'ok', 't', 'n', 'x')`,
    sql`create temporary table delta (${sql.join(columns)})`,
    sql`insert into delta values ('aBC', 'ok', 't', 'n', 'x')`,
    sql`set enable_hashjoin = off`,
    sql`set enable_mergejoin = off`,
  );
  const join = sql`select t.* from delta d join ${name} t on ${keyMatches(key, sql`t`, sql`d`)}`;
  expect(await session.query(join)).toHaveLength(1);
  const plan = await session.query(sql`explain ${join}`);
  expect(JSON.stringify(plan)).toContain('Mixed');
  expect(JSON.stringify(plan)).toMatch(/Index Cond: .*Key .*nm/);
});

test('the index that the operator names is the key', async () => {
  await using database = await createDatabase('named');
  const session = await database.session();
  await session.script(sql.verbatim(schema));
  const relation = { schema: 'public', name: 'unique_key' };
  const [named, wrong] = await readTables(
    session,
    [
      { relation, keyIndex: 'b_two' },
      { relation, keyIndex: 'nope' },
    ],
    { schema: 'tahr', oldestVersion: 180000 },
  );
  expect(named?.key?.index).toBe('b_two');
  expect(wrong?.keyProblem).toBe('there is no unique index "nope" on it');
});

test('the fingerprint follows the columns and the keys, and nothing else', async () => {
  await using database = await createDatabase('fingerprint');
  const session = await database.session();
  await session.script(sql.verbatim(schema));
  const fingerprint = async (): Promise<string | undefined> =>
    (await read(session, ['unique_key']))[0]?.fingerprint;
  const before = await fingerprint();
  await session.script(
    sql`reindex table public.unique_key`,
    sql`insert into public.unique_key values (1, 1, 1)`,
    sql`comment on table public.unique_key is 'x'`,
  );
  expect(await fingerprint()).toBe(before);
  await session.script(sql`alter table public.unique_key add column d text`);
  const after = await fingerprint();
  expect(after).not.toBe(before);
  await session.script(sql`drop index public.z_one`);
  expect(await fingerprint()).not.toBe(after);
});

test('an ordinary role is told where row-level security hides rows', async () => {
  await using database = await createDatabase('security');
  const session = await database.session();
  await session.script(sql.verbatim(schema), sql`create role clerk`, sql`set role clerk`);
  const [secret, plain] = await read(session, ['secret', 'unique_key']);
  expect([secret?.hasRowSecurity, plain?.hasRowSecurity]).toEqual([true, false]);
  expect(secret?.isOwner).toBe(false);
});

test('a thousand tables are read by the same few statements', async () => {
  await using database = await createDatabase('many');
  const session = await database.session();
  const names = Array.from({ length: 1000 }, (_, index) => `t${index}`);
  await session.script(
    ...names.map((name) => sql`create table ${sql.id('public', name)} (id int primary key, v text)`),
  );
  const started = performance.now();
  const tables = await read(session, names);
  expect(tables.filter((table) => table?.key !== null)).toHaveLength(1000);
  expect(performance.now() - started).toBeLessThan(5000);
});
