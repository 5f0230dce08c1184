/** Syncs with databases in the role fullcopy, from the command line. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { startDaemon } from '../daemon/installation.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { createInstallation, type Installation, settings } from './tahr.ts';

let installation: Installation;
const databases: Record<string, TestDatabase> = {};

beforeAll(async () => {
  installation = await createInstallation();
  for (const name of ['A', 'B', 'C']) {
    const database = await createDatabase(`full_copies_${name.toLowerCase()}`);
    databases[name] = database;
    await using session = await database.session();
    await session.script(
      sql`create table public.sales (region text, amount integer)`,
      sql`create table public.totals (region text, amount bigint)`,
    );
    await installation.ok('add', 'db', name, ...settings(database.parameters));
  }
});

afterAll(async () => {
  await installation[Symbol.asyncDispose]();
  for (const database of Object.values(databases)) await database[Symbol.asyncDispose]();
});

const rows = async (name: string, table: string): Promise<string[]> => {
  await using session = await (databases[name] as TestDatabase).session();
  const found = await session.query(sql`select t::text as row from ${sql.id('public', table)} t order by 1`);
  return found.map(({ row }) => row ?? '');
};

test('a table without a key can be copied whole, and not by its changes', async () => {
  const refused = await installation.tahr('add', 'sync', 'nightly', 'tables=sales', 'dbs=A:source,B:target');
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('has no usable key') as string });
  expect(
    await installation.ok('add', 'sync', 'nightly', 'tables=sales', 'dbs=A:source,B:fullcopy'),
  ).toContain(
    'B: replaced whole, from A, with `tahr kick nightly`; `tahr help update sync` tells of checktime= and cron=.',
  );
});

test('the times of copies, and how tables are emptied, are checked and shown', async () => {
  const wrong = await installation.tahr('update', 'sync', 'nightly', 'cron=at night');
  expect(wrong).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('it must be a cron expression such as "0 3 * * *"') as string,
  });
  const method = await installation.tahr('update', 'sync', 'nightly', 'deletemethod=drop');
  expect(method).toMatchObject({ code: 2, stderr: expect.stringContaining('deletemethod') as string });
  expect(
    await installation.ok('update', 'sync', 'nightly', 'cron="0 3 * * *"', 'deletemethod=truncate'),
  ).toContain('Changed cron from none to 0 3 * * *');
  expect(await installation.ok('list', 'sync', 'nightly', '--verbose')).toContain('Cron: 0 3 * * *');
});

test('a SELECT with groups goes to one database, and the status says from where', async () => {
  await installation.ok('update', 'dbgroup', 'nightly', 'A:source', 'B:fullcopy', 'C:fullcopy');
  await installation.ok('add', 'customname', 'sales', 'totals', 'db=C');
  expect(
    await installation.ok(
      'add',
      'customcols',
      'sales',
      'SELECT region, sum(amount) AS amount FROM sales GROUP BY region',
      'db=C',
    ),
  ).toContain('New columns for public.sales');
  await using session = await (databases['A'] as TestDatabase).session();
  await session.script(sql`insert into public.sales values ('north', 1), ('north', 2), ('south', 5)`);
  expect(await installation.ok('inspect', 'nightly')).toContain('C: from A public.totals');
  const daemon = startDaemon(installation.control);
  await installation.ok('kick', 'nightly', '30');
  expect(await rows('B', 'sales')).toEqual(await rows('A', 'sales'));
  expect(await rows('C', 'totals')).toEqual(['(north,3)', '(south,5)']);
  const status = await installation.ok('status', 'nightly');
  expect(status).toMatch(/Current state +: idle/);
  expect(status).toMatch(/B +\| fullcopy of A +\| idle/);
  expect(JSON.parse(await installation.ok('status', 'nightly', '--json'))).toMatchObject({
    syncs: [{ databases: [{ copiedFrom: null }, { copiedFrom: 'A' }, { copiedFrom: 'A' }] }],
  });
  await daemon.stop();
});

test('operations cannot be left out of a copy', async () => {
  const refused = await installation.tahr('add', 'filter', 'sales', 'operations=insert', 'db=B');
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('is replaced whole, and cannot be filtered by operations') as string,
  });
});

test('a sync that is removed has left nothing behind', async () => {
  await installation.ok('remove', 'sync', 'nightly');
  for (const name of ['A', 'B', 'C']) {
    await using session = await (databases[name] as TestDatabase).session();
    expect(await session.query(sql`select to_regnamespace('tahr') as there`)).toEqual([{ there: null }]);
  }
});
