/** What `status` says when a daemon cannot go on: a conflict that a person must decide, a database that is away. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { createInstallation, type Installation, type Run, settings } from './tahr.ts';

interface Status {
  readonly isHealthy: boolean;
  readonly syncs: readonly { state: string; rowsBehind: number | null; error: { code: string } | null }[];
}

let installation: Installation;
const databases: Record<string, TestDatabase> = {};

const write = async (name: string, statement: ReturnType<typeof sql>): Promise<void> => {
  await using session = await (databases[name] as TestDatabase).session();
  await session.script(statement);
};

const readStatus = async (): Promise<Status> =>
  JSON.parse((await installation.tahr('status', '--json')).stdout) as Status;

const expectState = async (state: string): Promise<void> => {
  await expect.poll(async () => (await readStatus()).syncs[0]?.state, { timeout: 30_000 }).toBe(state);
};

const seen = (run: Run): string => `${run.code}\n${run.stdout}`;

beforeAll(async () => {
  installation = await createInstallation();
  for (const name of ['A', 'B']) {
    const database = await createDatabase(`status_${name.toLowerCase()}`);
    databases[name] = database;
    await write(name, sql`create table public.item (id int primary key, name text)`);
    await installation.ok('add', 'db', name, ...settings(database.parameters));
  }
  const strategy = 'conflict_strategy=bucardo_abort';
  await installation.ok('add', 'sync', 'shop', 'tables=item', 'dbs=A:source,B:source', strategy);
});

afterAll(async () => {
  await installation.tahr('stop');
  await installation[Symbol.asyncDispose]();
  for (const database of Object.values(databases)) await database[Symbol.asyncDispose]();
});

test('a sync that was paused for a conflict is stopped, with exit code 3 and the reason, also without a daemon', async () => {
  await write('A', sql`insert into public.item values (1, 'one')`);
  await write('B', sql`insert into public.item values (1, 'other')`);
  await installation.ok('start');
  await expectState('stopped');
  expect(await readStatus()).toMatchObject({
    isHealthy: false,
    syncs: [{ rowsBehind: null, error: { code: 'conflict_abort' } }],
  });
  expect(seen(await installation.tahr('status'))).toMatch(
    /^3\n[^]*shop \| stopped \(unhealthy\)[^]*public\.item/,
  );
  await installation.ok('stop');
  expect((await readStatus()).syncs[0]?.state).toBe('stopped');
});

test('a sync that somebody paused stays healthy', async () => {
  await write('B', sql`update public.item set name = 'one'`);
  await installation.ok('update', 'sync', 'shop', 'conflict_strategy=bucardo_latest');
  await installation.ok('resume', 'shop');
  await installation.ok('start');
  await expectState('idle');
  await installation.ok('pause', 'shop');
  await expectState('paused');
  expect(seen(await installation.tahr('status'))).toMatch(/^0\n[^]*shop \| paused +\|[^]* -\n$/);
  await installation.ok('resume', 'shop');
});

test('a database that stays away makes the sync unhealthy, and its failure is shown', async () => {
  await installation.ok('update', 'db', 'B', 'host=127.0.0.1', 'port=1', '--force');
  await expect.poll(async () => (await readStatus()).isHealthy, { timeout: 40_000 }).toBe(false);
  const text = seen(await installation.tahr('status'));
  expect(text).toMatch(/^3\n[^]*shop \| waiting \(unhealthy\)/);
  expect(text).toMatch(/waiting for database B since .*\n {4}B cannot be reached/);
});
