/** Other columns from the command line: added, listed, taken up by syncs that there are, and refused where they do not fit. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { createInstallation, type Installation, settings } from './tahr.ts';

let installation: Installation;
const databases: Record<string, TestDatabase> = {};

beforeAll(async () => {
  installation = await createInstallation();
  for (const [name, columns] of [
    ['A', 'id int primary key, note text, secret text'],
    ['B', 'id int primary key, note text'],
  ] as const) {
    const database = await createDatabase(`columns_${name.toLowerCase()}`);
    databases[name] = database;
    await using session = await database.session();
    await session.script(
      sql.verbatim(`create table public.items (${columns}); create sequence public.numbers`),
    );
    await installation.ok('add', 'db', name, ...settings(database.parameters));
  }
  await installation.ok('add', 'relgroup', 'shop', 'items', 'numbers', 'db=A');
});

afterAll(async () => {
  await installation[Symbol.asyncDispose]();
  for (const database of Object.values(databases)) await database[Symbol.asyncDispose]();
});

const add = ['add', 'sync', 'shop', 'relgroup=shop', 'dbs=A:source,B:target'];

test('a target that lacks a column takes part with other columns', async () => {
  expect((await installation.tahr(...add)).stderr).toContain('has no column "secret"');
  expect(await installation.ok('add', 'customcols', 'items', 'select id, note', 'db=B')).toBe(
    'New columns for public.items: "SELECT id, note" for database B\n',
  );
  await installation.ok(...add);
  expect(await installation.ok('list', 'customcols')).toBe(
    '1. public.items => SELECT id, note  Database: B\n',
  );
  expect(await installation.ok('validate', 'shop')).toContain('OK');
});

test('a sync that is there is installed again, and nothing is changed where that fails', async () => {
  const refused = await installation.tahr(
    'add',
    'ccols',
    'items',
    'SELECT upper(note) AS note',
    'db=B',
    'sync=shop',
  );
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(
    'public.items on A cannot be read as SELECT upper(note) AS note: the column "id" of the key must be among them as it is.',
  );
  expect(await installation.ok('list', 'customcols')).not.toContain('upper');
  const said = await installation.ok(
    'add',
    'ccols',
    'items',
    'SELECT id, upper(note) AS note',
    'db=B',
    'sync=shop',
  );
  expect(said).toContain('Installed sync "shop" again\n  public.items on B is copied from A once more');
});

test.each([
  [['items'], 2, 'A table is needed, and a SELECT in quotes'],
  [['items', 'id, note'], 2, '"id, note" does not begin with SELECT'],
  [['numbers', 'SELECT 1'], 2, 'public.numbers is a sequence, and has no columns'],
  [['item', 'SELECT id'], 1, 'Did you mean "items"?'],
  [['items', 'SELECT id', 'db=B'], 1, 'There is a customcols of public.items for the same place already'],
] as const)('add customcols %s is refused', async (words, code, text) => {
  const refused = await installation.tahr('add', 'customcols', ...words);
  expect(refused.code).toBe(code);
  expect(refused.stderr).toContain(text);
});

test('they are taken away again by their number, unless the sync needs them', async () => {
  const [first, second] = JSON.parse(await installation.ok('list', 'customcols', '--json')) as {
    id: number;
  }[];
  expect(await installation.ok('remove', 'customcols', String(second?.id))).toContain(
    `Removed customcols ${second?.id}: public.items => SELECT id, upper(note) AS note for database B for sync shop`,
  );
  const needed = await installation.tahr('remove', 'customcols', String(first?.id));
  expect(needed.code).toBe(1);
  expect(needed.stderr).toContain('has no column "secret"');
});
