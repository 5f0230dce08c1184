/** Interleaved sequences from the command line: shared out, put back, and refused where that is not possible. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { createInstallation, type Installation, settings } from './tahr.ts';

let installation: Installation;
const databases: Record<string, TestDatabase> = {};

const names = ['A', 'B', 'C'];

beforeAll(async () => {
  installation = await createInstallation();
  for (const name of names) {
    const database = await createDatabase(`sequences_${name.toLowerCase()}`);
    databases[name] = database;
    await run(name, 'create sequence public.number; create sequence public.other');
    await installation.ok('add', 'db', name, ...settings(database.parameters));
  }
});

afterAll(async () => {
  await installation[Symbol.asyncDispose]();
  for (const database of Object.values(databases)) await database[Symbol.asyncDispose]();
});

const run = async (name: string, statements: string): Promise<void> => {
  await using session = await (databases[name] as TestDatabase).session();
  await session.script(sql.verbatim(statements));
};

const draw = async (name: string, sequence = 'number'): Promise<number> => {
  await using session = await (databases[name] as TestDatabase).session();
  const [row] = await session.query(sql`select nextval(${`public.${sequence}`}::regclass) as value`);
  return Number(row?.['value']);
};

const increments = (): Promise<number[]> =>
  Promise.all(
    names.map(async (name) => {
      await using session = await (databases[name] as TestDatabase).session();
      const [row] = await session.query(
        sql`select seqincrement from pg_sequence where seqrelid = 'public.number'::regclass`,
      );
      return Number(row?.['seqincrement']);
    }),
  );

test('a sync is added with interleaved sequences, and is listed with them', async () => {
  await installation.ok(
    'add',
    'sync',
    'shop',
    'tables=number',
    'dbs=A:source,B:source,C:target',
    'sequence=interleave',
  );
  expect(await increments()).toEqual([2, 2, 1]);
  expect(await installation.ok('list', 'syncs', '--verbose')).toContain('Sequences: interleave');
  expect(JSON.parse(await installation.ok('list', 'syncs', '--json'))).toMatchObject([
    { sequence: 'interleave' },
  ]);
  expect(await installation.ok('validate', 'shop')).toContain('OK');
});

test('the setting is changed both ways', async () => {
  const out = await installation.ok('update', 'sync', 'shop', 'sequence=highest');
  expect(out).toContain('Changed sequence from interleave to highest');
  expect(await increments()).toEqual([1, 1, 1]);
  await installation.ok('update', 'sync', 'shop', 'sequence=interleave');
  expect(await increments()).toEqual([2, 2, 1]);
});

test('a word that is no way to treat sequences is refused as usage', async () => {
  const refused = await installation.tahr('update', 'sync', 'shop', 'sequence=random');
  expect(refused).toMatchObject({ code: 2 });
  expect(refused.stderr).toContain('Invalid value "random" for sequence: it must be highest or interleave.');
});

test('a sequence that one sync interleaves is not interleaved by another one', async () => {
  const second = ['add', 'sync', 'second', 'tables=number', 'dbs=B:source,A:source'];
  const refused = await installation.tahr(...second, 'sequence=interleave');
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.stderr).toContain('public.number on B is interleaved by another sync already.');
  await installation.ok(...second);
  expect(await increments()).toEqual([2, 2, 1]);
  await installation.ok('remove', 'sync', 'second');
  expect(await increments()).toEqual([2, 2, 1]);
});

test('a role that does not own a sequence is told so', async () => {
  const database = await createDatabase('sequences_d');
  databases['D'] = database;
  const role = `poor_${database.name}`;
  await run(
    'D',
    `create sequence public.other; create role ${role} login; grant usage on schema public to ${role};
     grant select, update on sequence public.other to ${role};
     grant create, temporary, connect on database ${database.name} to ${role}`,
  );
  await installation.ok('add', 'db', 'D', ...settings({ ...database.parameters, user: role }));
  const refused = await installation.tahr(
    'add',
    'sync',
    'third',
    'tables=other',
    'dbs=A:source,D:source',
    'sequence=interleave',
  );
  expect(refused.stderr).toContain(
    'public.other on D is not owned by the role, which has to alter it for sequence=interleave.',
  );
  await run('D', `drop owned by ${role}; drop role ${role}`);
});

test('nothing is shared out anew while a source is inactive', async () => {
  await installation.ok('update', 'db', 'B', 'status=inactive');
  expect(await installation.ok('validate', 'shop')).toContain('OK');
  const refused = await installation.tahr('update', 'sync', 'shop', 'dbs=A:source,B:source,C:source');
  expect(refused.stderr).toContain(
    'public.number on A cannot be interleaved anew while the source B is inactive.',
  );
  expect(await increments()).toEqual([2, 2, 1]);
  await installation.ok('update', 'db', 'B', 'status=active');
});

test('removing a sync puts its sequences back beyond all, and tells how where a database is away', async () => {
  for (let count = 1; count <= 9; count += 1) await draw('A');
  const last = await draw('A');
  await installation.ok('update', 'db', 'B', 'port=1', '--force');
  const { stderr } = await installation.tahr('remove', 'sync', 'shop');
  expect(await increments()).toEqual([1, 2, 1]);
  expect(await draw('A')).toBe(last + 1);
  const statements = stderr.slice(stderr.indexOf('run there:') + 'run there:'.length);
  await run('B', statements.replaceAll(/^ {4}/gmu, ''));
  expect(await increments()).toEqual([1, 1, 1]);
});
