/** Other names of relations from the command line: given, listed, taken up by syncs that there are, and refused where they do not fit. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { createInstallation, type Installation, settings } from './tahr.ts';

let installation: Installation;
const databases: Record<string, TestDatabase> = {};

beforeAll(async () => {
  installation = await createInstallation();
  for (const name of ['A', 'B', 'C']) {
    const database = await createDatabase(`names_${name.toLowerCase()}`);
    databases[name] = database;
    const table = name === 'A' ? 'public.items' : 'archive.things';
    await run(name, `create schema archive; create table ${table} (id int primary key, note text)`);
    await installation.ok('add', 'db', name, ...settings(database.parameters));
  }
  await installation.ok('add', 'table', 'items', 'db=A', 'relgroup=shop');
});

afterAll(async () => {
  await installation[Symbol.asyncDispose]();
  for (const database of Object.values(databases)) await database[Symbol.asyncDispose]();
});

const run = async (name: string, statements: string): Promise<void> => {
  await using session = await (databases[name] as TestDatabase).session();
  await session.script(sql.verbatim(statements));
};

test('a name is given before the sync is added, which is validated by it', async () => {
  const add = ['add', 'sync', 'shop', 'relgroup=shop', 'dbs=A:source,B:target'];
  const refused = await installation.tahr(...add);
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.stderr).toContain('public.items on B does not exist');
  expect(await installation.ok('add', 'customname', 'items', 'archive.things')).toBe(
    'Transformed public.items to archive.things\n',
  );
  await installation.ok(...add);
  expect(await installation.ok('list', 'customnames')).toBe('1. public.items => archive.things\n');
});

test('one for a database counts before the general one, and an active sync is installed again by it', async () => {
  await run('B', 'create table archive.others (id int primary key, note text)');
  expect(await installation.ok('add', 'cname', 'public.items', 'archive.others', 'db=B', 'sync=shop')).toBe(
    [
      'Transformed public.items to archive.others for database B for sync shop',
      'Installed sync "shop" again',
      '  archive.others on B takes part from now on. It is copied from A if it is empty; else what is there stays.',
      '  To copy all from A to all others, and delete there what A lacks: `tahr update sync shop onetimecopy=1`.',
      '',
    ].join('\n'),
  );
  expect(JSON.parse(await installation.ok('list', 'customnames', 'items', '--json'))).toMatchObject([
    { newName: { schema: 'archive', name: 'things' }, database: null, sync: null },
    { newName: { schema: 'archive', name: 'others' }, database: 'B', sync: 'shop' },
  ]);
  await run('B', 'drop table archive.others');
  const { code, stderr } = await installation.tahr('validate', 'shop');
  expect(code).toBe(1);
  expect(stderr).toContain('archive.others on B does not exist');
});

test('it is taken away again by its number', async () => {
  const said = await installation.ok('remove', 'customname', '2');
  expect(said).toContain(
    'Removed customname 2: public.items => archive.others for database B for sync shop\nInstalled sync "shop" again\n',
  );
  expect(said).toContain('archive.things on B takes part from now on');
  expect(await installation.ok('validate', 'shop')).toContain('OK');
});

test('a name that a database does not have is refused, and nothing is changed', async () => {
  const { code, stderr } = await installation.tahr('add', 'customname', 'items', 'nowhere', 'db=B');
  expect(code).toBe(1);
  expect(stderr).toContain('public.nowhere on B does not exist');
  expect(await installation.ok('list', 'customnames')).toBe('1. public.items => archive.things\n');
});

test.each([
  [['items'], 2, 'Two names are needed'],
  [['items', 'public.items'], 2, 'is what it is called anyway'],
  [['item', 'archive.things'], 1, 'There is no table or sequence named "item" here. Did you mean "items"?'],
  [['items', 'archive.*'], 2, 'is not one name'],
  [['items', 'archive.things'], 1, 'There is a customname of public.items for the same place already'],
  [['items', 'archive.things', 'db=Z'], 1, 'Z'],
  [['items', 'archive.things', 'sync=none'], 1, 'none'],
] as const)('add customname %s is refused', async (words, code, text) => {
  const refused = await installation.tahr('add', 'customname', ...words);
  expect(refused.code).toBe(code);
  expect(refused.stderr).toContain(text);
});

test.each([
  [[], 2, 'No customname is named'],
  [['items'], 2, 'is not the number of a customname'],
  [['77'], 1, '77'],
] as const)('remove customname %s is refused', async (words, code, text) => {
  const refused = await installation.tahr('remove', 'customname', ...words);
  expect(refused.code).toBe(code);
  expect(refused.stderr).toContain(text);
});

test('what a database is called otherwise goes with it', async () => {
  await installation.ok('add', 'customname', 'items', 'archive.things', 'db=C');
  await installation.ok('remove', 'db', 'C');
  expect(await installation.ok('list', 'customnames')).toBe('1. public.items => archive.things\n');
});
