/** Tables whose rows are merged, from the command line and through a daemon. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { startDaemon } from '../daemon/installation.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { createInstallation, type Installation, settings } from './tahr.ts';

let installation: Installation;
const databases: Record<string, TestDatabase> = {};

beforeAll(async () => {
  installation = await createInstallation();
  for (const name of ['A', 'B']) {
    const database = await createDatabase(`merging_${name.toLowerCase()}`);
    databases[name] = database;
    await using session = await database.session();
    await session.script(
      sql`create table public.item (id integer primary key, name text, stock integer not null, data json, maybe integer)`,
      sql`insert into public.item values (1, 'chair', 5)`,
    );
    await installation.ok('add', 'db', name, ...settings(database.parameters));
  }
  await installation.ok('add', 'sync', 'shop', 'tables=item', 'dbs=A:source,B:source');
});

afterAll(async () => {
  await installation[Symbol.asyncDispose]();
  for (const database of Object.values(databases)) await database[Symbol.asyncDispose]();
});

const run = async (name: string, statement: string): Promise<void> => {
  await using session = await (databases[name] as TestDatabase).session();
  await session.script(sql.verbatim(statement));
};

const row = async (name: string): Promise<string> => {
  await using session = await (databases[name] as TestDatabase).session();
  const [found] = await session.query(sql`select concat_ws(' ', name, stock) as row from public.item`);
  return found?.['row'] ?? '';
};

test('columns that cannot be merged in that way are refused, all at once', async () => {
  const refused = await installation.tahr(
    'update',
    'table',
    'item',
    'merge=columns',
    'counters=maybe,nothing,id',
    'objects=data',
    'sets=name',
  );
  expect(refused.code).toBe(1);
  for (const sentence of [
    'public.item on A cannot merge the column "maybe" as a counter: it may be NULL.',
    'public.item on A has no column "nothing" that could be merged as a counter.',
    'public.item on A has the column "id" in its key, or computes it.',
    'public.item on A cannot merge the column "data" as an object: it is json, not jsonb.',
    'public.item on B cannot merge the column "name" as a set: it is text, not an array.',
  ])
    expect(refused.stderr).toContain(sentence);
  const word = await installation.tahr('update', 'table', 'item', 'merge=rows');
  expect(word).toMatchObject({ code: 2, stderr: expect.stringContaining('columns or off') as string });
});

test('a table is merged from then on, while the daemon runs', async () => {
  const daemon = startDaemon(installation.control);
  await installation.ok('update', 'table', 'item', 'merge=columns', 'counters=stock');
  expect(await installation.ok('list', 'tables')).toContain('(merge columns)');
  await installation.ok('pause', 'shop');
  await run('A', `update public.item set name = 'armchair', stock = stock - 1`);
  await run('B', `update public.item set stock = stock + 3`);
  await installation.ok('resume', 'shop');
  await vi.waitFor(
    async () => expect([await row('A'), await row('B')]).toEqual(['armchair 7', 'armchair 7']),
    { timeout: 20_000, interval: 100 },
  );
  await vi.waitFor(async () => expect(await installation.ok('conflicts', 'shop')).toMatch(/item .*merge/), {
    timeout: 20_000,
    interval: 200,
  });
  // Seen to fail: where what notes changes is made anew with what notes by what rows are merged, changes may have been missed.
  const status = JSON.parse(await installation.ok('status', 'shop', '--json')) as {
    syncs: { notices: string[] }[];
  };
  expect(status.syncs[0]?.notices).toEqual([]);
  await daemon.stop();
});

test('what rows are merged by goes when that is turned off', async () => {
  await installation.ok('update', 'table', 'item', 'merge=off');
  await using session = await (databases['A'] as TestDatabase).session();
  const [found] = await session.query(
    sql`select count(*) as count from pg_class where relnamespace = 'tahr'::regnamespace and relname like 'merge\_%' and relkind = 'r'`,
  );
  expect(found?.['count']).toBe('0');
});
