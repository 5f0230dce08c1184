import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../test/support/databases.ts';
import { createProxy } from '../../test/support/proxy.ts';
import { connect } from './conninfo.ts';
import { CopyOut } from './copy-out.ts';
import { failureOf } from './failure.ts';
import type { Session } from './session.ts';
import { sql } from './sql.ts';

let database: TestDatabase;
let session: Session;

beforeEach(async () => {
  database = await createDatabase('copy_out');
  session = await database.session();
});

const read = async (stream: AsyncIterable<Buffer>): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const numbers = (upTo: number): string =>
  Array.from({ length: upTo }, (_, index) => `${index + 1}\n`).join('');

const endOf = (used: Session): Promise<void> => new Promise((resolve) => used.onEnd(resolve));

/** Nothing but a failure or the reader ends it: a function beside `select` gives its rows one by one. */
const endless = sql`copy (select generate_series(1, 1000000000), repeat('x', 1000)) to stdout`;

test.each(['text', 'csv', 'binary'])(
  'rows are those that the server writes to a file: %s',
  async (format) => {
    const rows = sql`
    select n, nullif(n % 3, 0), repeat('ä', n % 700), decode(repeat('64000000', n % 50), 'hex'), array[n, null]
      from generate_series(1, 30000) n`;
    const [row] = await session.query(sql`select current_setting('data_directory') as directory`);
    const path = `${row?.['directory']}/${database.name}`;
    await session.script(sql`copy (${rows}) to ${sql.literal(path)} with (format ${sql.id(format)})`);
    const [file] = await session.query(
      sql`select encode(sha256(pg_read_binary_file(${path}::text)), 'hex') as digest`,
    );
    const bytes = await read(session.copyOut(sql`copy (${rows}) to stdout with (format ${sql.id(format)})`));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(file?.['digest']);
  },
);

test('a copy without rows ends', async () => {
  expect((await read(session.copyOut(sql`copy (select 1 where false) to stdout`))).length).toBe(0);
});

test('when a copy has ended, the session does what comes next, in its transaction', async () => {
  await session.script(sql`begin`);
  for (const upTo of [1, 50_000, 10]) {
    const bytes = await read(session.copyOut(sql`copy (select generate_series(1, ${upTo}::int)) to stdout`));
    expect(String(bytes)).toBe(numbers(upTo));
    expect(await session.query(sql`select 'here' as word`)).toEqual([{ word: 'here' }]);
  }
  expect(session.isInTransaction).toBe(true);
  await session.script(sql`commit`);
});

test('a statement that the server refuses fails as it says', async () => {
  await expect(read(session.copyOut(sql`copy public.absent to stdout`))).rejects.toMatchObject({
    code: '42P01',
  });
});

test('a failure in the middle comes after rows, and ends the session', async () => {
  const stream = session.copyOut(
    sql`copy (select 1 / (50000 - n) from generate_series(1, 60000) n) to stdout`,
  );
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
  const ended = endOf(session);
  await expect(read(stream)).rejects.toMatchObject({ code: '22012', severity: 'ERROR' });
  await ended;
  expect(bytes).toBeGreaterThan(8192);
  expect(session.isUsable).toBe(false);
});

test('a failure after the last row is one', async () => {
  await session.script(sql`create table public.t (id int unique deferrable initially deferred)`);
  const inserting = sql`copy (insert into public.t values (1), (1) returning id) to stdout`;
  await expect(read(session.copyOut(inserting))).rejects.toMatchObject({ code: '23505' });
});

test('notices between the rows, longer than what comes at once, are told to the driver', async () => {
  await session.script(
    sql.verbatim(`create function public.mention(n int) returns int language plpgsql as $$
      begin
        if n % 1000 = 0 then raise notice '% %', n, repeat('n', 200000); end if;
        return n;
      end $$`),
  );
  const { host = '', port, user = '', dbname = '' } = database.parameters;
  const client = new pg.Client({ host, port: Number(port), user, database: dbname });
  await client.connect();
  onTestFinished(() => client.end());
  const noticed: (string | undefined)[] = [];
  client.on('notice', ({ message }) => noticed.push(message));
  const bytes = await read(
    client.query(new CopyOut('copy (select public.mention(n) from generate_series(1, 10000) n) to stdout')),
  );
  expect(String(bytes)).toBe(numbers(10_000));
  expect(noticed).toEqual(
    Array.from({ length: 10 }, (_, index) => `${(index + 1) * 1000} ${'n'.repeat(200_000)}`),
  );
});

test('a backend that is terminated in the middle says so', async () => {
  const slowly = sql`copy (select repeat('x', 1000), pg_sleep(0.001) from generate_series(1, 1000000)) to stdout`;
  const stream = session.copyOut(slowly);
  const over = Promise.all([once(stream).then(terminate), endOf(session)]);
  await expect(read(stream)).rejects.toMatchObject({ code: '57P01', severity: 'FATAL' });
  await over;
  expect(session.isUsable).toBe(false);
});

const terminate = async (): Promise<void> => {
  const admin = await database.session();
  await admin.query(sql`select pg_terminate_backend(${session.backendPid}::int)`);
};

test('a connection that is cut while the reader stands still fails when it reads on', async () => {
  const proxy = await createProxy(database);
  await using far = await connect(
    { ...database.parameters, ...proxy.parameters },
    { label: 'A', applicationName: 'test' },
  );
  const stream = far.copyOut(endless);
  await once(stream);
  proxy.cut();
  const failure = await read(stream).catch((error: unknown) => failureOf(error, 'A'));
  expect(failure).toMatchObject({ code: 'database_unreachable' });
  expect(far.isUsable).toBe(false);
});

/** When there is something to read. */
const once = (stream: NodeJS.ReadableStream) =>
  new Promise((resolve) => {
    stream.once('readable', resolve);
  });

test('who stops reading gives the session up, and nothing else fails', async () => {
  const ended = endOf(session);
  for await (const chunk of session.copyOut(endless)) {
    expect(chunk.length).toBeGreaterThan(0);
    break;
  }
  await ended;
  expect(session.isUsable).toBe(false);
  const admin = await database.session();
  while (await isThere(admin)) await wait(20);
});

const isThere = async (admin: Session): Promise<boolean> => {
  const rows = await admin.query(sql`select from pg_stat_activity where pid = ${session.backendPid}::int`);
  return rows.length > 0;
};

test('a reader that stands still holds up the server, and nothing heaps up', async () => {
  const stream = session.copyOut(
    sql`copy (select repeat('x', 999) from generate_series(1, 20000)) to stdout`,
  );
  const admin = await database.session();
  await once(stream);
  while (!(await isHeldUp(admin))) await wait(20);
  expect(stream.readableLength).toBeLessThan(500_000);
  expect((await read(stream)).length).toBe(20_000_000);
  expect(await session.query(sql`select 'here' as word`)).toEqual([{ word: 'here' }]);
});

const isHeldUp = async (admin: Session): Promise<boolean> => {
  const [row] = await admin.query(
    sql`select wait_event as event from pg_stat_activity where pid = ${session.backendPid}::int`,
  );
  return row?.['event'] === 'ClientWrite';
};

test('a copy that has ended keeps nobody from the session, though its reader has not begun', async () => {
  // Just more than a stream takes without asking its source to wait, and what is too much comes in one piece with the end of the copy: it is
  // less than the server's buffer holds, and the server goes on when all before it has come.
  const admin = await database.session();
  await admin.script(sql`begin`, sql`select pg_advisory_xact_lock(1)`);
  const stream = session.copyOut(
    sql`copy (select repeat('x', 64936) union all select repeat('x', 599) from pg_advisory_xact_lock(1)) to stdout`,
  );
  while (stream.readableLength < 57_000) await wait(5);
  await admin.script(sql`commit`);
  expect(await session.query(sql`select 'here' as word`)).toEqual([{ word: 'here' }]);
  expect((await read(stream)).length).toBe(65_537);
});

test('a row of 20 MB is passed on as it comes', async () => {
  let longest = 0;
  const stream = session.copyOut(sql`copy (select repeat('0123456789', 2000000)) to stdout`);
  stream.on('data', (chunk: Buffer) => (longest = Math.max(longest, chunk.length)));
  const bytes = await read(stream);
  expect(bytes.equals(Buffer.from(`${'0123456789'.repeat(2_000_000)}\n`))).toBe(true);
  expect(longest).toBeLessThan(200_000);
});
