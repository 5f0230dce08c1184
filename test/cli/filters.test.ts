/** Filters from the command line: added, listed, taken up by syncs that there are, and refused where they do not fit. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { createInstallation, type Installation, settings } from './tahr.ts';

let installation: Installation;
const databases: Record<string, TestDatabase> = {};

beforeAll(async () => {
  installation = await createInstallation();
  for (const name of ['A', 'B']) {
    const database = await createDatabase(`filters_${name.toLowerCase()}`);
    databases[name] = database;
    await using session = await database.session();
    await session.script(
      sql`create table public.items (id int primary key, region text)`,
      sql`create sequence public.numbers`,
    );
    await installation.ok('add', 'db', name, ...settings(database.parameters));
  }
  await installation.ok('add', 'sync', 'shop', 'tables=items,numbers', 'dbs=A:source,B:target');
});

afterAll(async () => {
  await installation[Symbol.asyncDispose]();
  for (const database of Object.values(databases)) await database[Symbol.asyncDispose]();
});

test('a condition that a source does not understand is refused, and nothing is changed', async () => {
  const { code, stderr } = await installation.tahr('add', 'filter', 'items', 'where=colour = 1', 'sync=shop');
  expect(code).toBe(1);
  expect(stderr).toContain('public.items on A cannot be filtered by colour = 1');
  expect(await installation.ok('list', 'filters')).toBe('No filters have been added yet\n');
});

test('a filter is added, and says what becomes of the rows that are there', async () => {
  expect(
    await installation.ok(
      'add',
      'filter',
      'items',
      `where='EU' = region`,
      'operations=update,insert',
      'db=B',
    ),
  ).toBe(
    [
      `Filtered public.items: where 'EU' = region, insert and update only for database B`,
      'Installed sync "shop" again',
      '  public.items on B is copied from A once more, so that all rows are there as they are to be now.',
      '  To copy all from A to all others, and delete there what A lacks: `tahr update sync shop onetimecopy=1`.',
      '',
    ].join('\n'),
  );
  expect(await installation.ok('list', 'filters')).toBe(
    `2. public.items: where 'EU' = region, insert and update only  Database: B\n`,
  );
  expect(JSON.parse(await installation.ok('list', 'filters', 'items', '--json'))).toEqual([
    {
      id: expect.any(Number) as number,
      relation: { schema: 'public', name: 'items' },
      where: `'EU' = region`,
      operations: ['insert', 'update'],
      database: 'B',
      sync: null,
    },
  ]);
});

test.each([
  [['items'], 2, 'It is not said what is to be left out'],
  [['items', 'operations=insert,update,delete'], 2, 'It is not said what is to be left out'],
  [['items', 'operations=truncate'], 2, 'a list of insert, update, delete'],
  [['numbers', 'where=true'], 2, 'public.numbers is a sequence, and has no rows'],
  [['item', 'where=true'], 1, 'Did you mean "items"?'],
  [['items', 'where=true', 'db=B'], 1, 'There is a filter of public.items for the same place already'],
  [['where=true'], 2, 'One table is needed'],
] as const)('add filter %s is refused', async (words, code, text) => {
  const refused = await installation.tahr('add', 'filter', ...words);
  expect(refused.code).toBe(code);
  expect(refused.stderr).toContain(text);
});

test('it is taken away again by its number', async () => {
  expect(await installation.ok('remove', 'filter', '2')).toContain(
    `Removed filter 2: public.items: where 'EU' = region, insert and update only for database B`,
  );
  expect(await installation.ok('list', 'filters')).toBe('No filters have been added yet\n');
});
