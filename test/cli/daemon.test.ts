/** The daemon by its commands: started, watched, kicked, stopped. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { createInstallation, type Installation, settings } from './tahr.ts';

interface Status {
  readonly isHealthy: boolean;
  readonly daemons: readonly { pid: number; syncCount: number }[];
  readonly syncs: readonly {
    name: string;
    state: string;
    daemon: { pid: number } | null;
    databases: readonly { name: string; state: string | null; lastError: unknown }[];
  }[];
}

let installation: Installation;
let source: TestDatabase;
let target: TestDatabase;

const readStatus = async (): Promise<Status> =>
  JSON.parse((await installation.tahr('status', '--json')).stdout) as Status;

const rows = async (database: TestDatabase): Promise<string> => {
  await using session = await database.session();
  const found = await session.query(
    sql`select string_agg(id || name, ',' order by id) as rows from public.item`,
  );
  return found[0]?.['rows'] ?? '';
};

beforeAll(async () => {
  installation = await createInstallation();
  source = await createDatabase('daemon_a');
  target = await createDatabase('daemon_b');
  for (const [name, database] of [
    ['A', source],
    ['B', target],
  ] as const) {
    await using session = await database.session();
    await session.script(sql`create table public.item (id int primary key, name text)`);
    await installation.ok('add', 'db', name, ...settings(database.parameters));
  }
  await installation.ok('add', 'sync', 'shop', 'tables=item', 'dbs=A,B', 'autokick=off');
});

afterAll(async () => {
  await installation.tahr('stop');
  await installation[Symbol.asyncDispose]();
  await source[Symbol.asyncDispose]();
  await target[Symbol.asyncDispose]();
});

test('start waits until the daemon is at work, and status finds it healthy', async () => {
  expect(await installation.ok('start')).toMatch(
    /^Starting Tahr\nThe daemon is at work: process \d+, log .*tahr\.log\n$/,
  );
  await expect.poll(async () => (await readStatus()).syncs[0]?.state, { timeout: 20_000 }).toBe('idle');
  const { code, stdout } = await installation.tahr('status');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Daemon: running for .*, process \d+ on /);
});

test('a second start is refused', async () => {
  const run = await installation.tahr('start');
  expect(run.code).toBe(1);
  expect(run.stderr).toMatch(/A daemon is running on this host already: process \d+\./);
});

test('a kick that waits ends when the rows are there', async () => {
  await using session = await source.session();
  await session.script(sql`insert into public.item values (1, 'a'), (2, 'b')`);
  const out = await installation.ok('kick', 'shop', '20');
  expect(out).toMatch(/^Kick shop: \[\d+ s\] DONE!\n$/);
  expect(await rows(target)).toBe('1a,2b');
});

test('a kick without a number returns at once', async () => {
  expect(await installation.ok('kick', 'syncs', 'sh%')).toBe('Kicked sync shop\n');
});

test('a kick of a round that fails says why and exits with 1, and status tells it with exit code 3', async () => {
  await using session = await target.session();
  await session.script(sql`alter table public.item add constraint short check (length(name) < 5)`);
  await using writer = await source.session();
  await writer.script(sql`insert into public.item values (3, 'much too long')`);
  const kicked = await installation.tahr('kick', 'shop', '20', '--json');
  expect(kicked.code).toBe(1);
  expect(JSON.parse(kicked.stdout)).toMatchObject([
    { sync: 'shop', result: 'failed', error: { code: 'row_refused' } },
  ]);
  await expect.poll(async () => (await readStatus()).isHealthy, { timeout: 20_000 }).toBe(false);
  const status = await installation.tahr('status', 'shop');
  expect(status.code).toBe(3);
  expect(status.stdout).toContain('(unhealthy)');
  expect(status.stdout).toContain('short');
  await session.script(sql`alter table public.item drop constraint short`);
  await expect.poll(async () => (await readStatus()).isHealthy, { timeout: 30_000 }).toBe(true);
  expect(await rows(target)).toBe('1a,2b,3much too long');
});

test('pause is taken up by the running daemon, and seen in status', async () => {
  await installation.ok('pause', 'shop');
  const paused = await readStatus();
  expect(paused).toMatchObject({ isHealthy: true, syncs: [{ state: 'paused' }] });
  await installation.ok('resume', 'shop');
  await expect.poll(async () => (await readStatus()).syncs[0]?.state, { timeout: 20_000 }).toBe('idle');
});

test('a start after a daemon was killed is not refused, and status tells who has the sync', async () => {
  const [killed] = (await readStatus()).daemons;
  process.kill(killed?.pid ?? 0, 'SIGKILL');
  // Until it has been buried the process is there; the store takes it for dead after eight seconds at the earliest.
  await expect.poll(async () => (await installation.tahr('start')).code, { timeout: 7_500 }).toBe(0);
  await expect
    .poll(async () => (await readStatus()).syncs[0]?.daemon?.pid ?? killed?.pid, { timeout: 30_000 })
    .not.toBe(killed?.pid);
  await expect.poll(async () => (await readStatus()).daemons.length, { timeout: 20_000 }).toBe(1);
  expect(await installation.ok('status', 'shop')).toMatch(/^Daemon +: process \d+ on /mu);
});

test('a second daemon joins by run, status lists both, and stop ends both', async () => {
  const running = installation.tahr('run');
  await expect.poll(async () => (await readStatus()).daemons.length, { timeout: 20_000 }).toBe(2);
  const counts = (await readStatus()).daemons.map(({ syncCount }) => syncCount);
  expect(counts, 'one sync cannot be shared').toEqual([1, 0]);
  const { stdout } = await installation.tahr('status');
  expect(stdout.match(/^Daemon: running for .*, process \d+ on .*, [01] syncs?$/gmu)).toHaveLength(2);
  expect(stdout).toMatch(/^ shop .* process \d+ on /mu);
  expect((await installation.ok('stop')).match(/^The daemon has stopped \(process \d+ on /gmu)).toHaveLength(
    2,
  );
  expect(await running).toMatchObject({ code: 0 });
  expect(await readStatus()).toMatchObject({
    isHealthy: false,
    daemons: [],
    syncs: [{ state: 'no daemon', daemon: null }],
  });
});

test('a start that cannot write its log says so', async () => {
  const file = join(installation.directory, 'a-file');
  await writeFile(file, '');
  const run = await installation.tahr('start', '--log-destination', join(file, 'tahr.log'));
  expect(run.code).toBe(1);
  expect(run.stderr).toContain(`The log file ${join(file, 'tahr.log')} cannot be written`);
});

test('a start whose daemon dies shows the end of the log', async () => {
  await using session = await installation.control.session();
  await session.script(
    sql.verbatim(`create function tahr_control.refuse() returns trigger language plpgsql as
      $$ begin raise exception 'no daemons here' using errcode = '42501'; end $$;
      create trigger refuse before insert on tahr_control.daemon for each row execute function tahr_control.refuse()`),
  );
  const run = await installation.tahr('start');
  expect(run.code).toBe(1);
  expect(run.stderr).toContain('The daemon ended before it came to work. The end of its log:');
  expect(run.stderr).toContain('no daemons here');
});
