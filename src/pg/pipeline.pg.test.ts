import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../test/support/databases.ts';
import { createProxy } from '../../test/support/proxy.ts';
import { connect } from './conninfo.ts';
import { Pipeline } from './pipeline.ts';
import type { Session } from './session.ts';
import { sql } from './sql.ts';

let database: TestDatabase;
let session: Session;

beforeEach(async () => {
  database = await createDatabase('pipeline');
  session = await database.session();
  await session.script(sql`create table public.t (id int primary key, note text)`);
});

const copy = sql`copy public.t from stdin`;
const rows = Buffer.from('1\tone\n2\ttwo\n');
const notes = sql`select note from public.t order by id`;

const codesOf = async (promises: readonly Promise<unknown>[]): Promise<unknown[]> =>
  (await Promise.allSettled(promises)).map((result) =>
    result.status === 'fulfilled'
      ? 'good'
      : (result.reason as { facts: { sqlState: string } }).facts.sqlState,
  );

test('requests that are made at once are answered in their order, with rows between them', async () => {
  session.beginWithNext(sql`begin isolation level repeatable read`);
  const level = sql`select current_setting('transaction_isolation') as level`;
  const answers = await Promise.all([
    session.load(copy, rows),
    session.query(notes),
    session.script(level, sql`select 1 as n`),
    session.counts(sql`delete from public.t`),
    session.script(sql`commit`),
  ]);
  expect(answers).toEqual([
    2,
    [{ note: 'one' }, { note: 'two' }],
    [[{ level: 'repeatable read' }], [{ n: '1' }]],
    [2],
    [[]],
  ]);
  expect(session.isInTransaction).toBe(false);
});

test('a request is sent while the answer to the one before is on its way', async () => {
  const proxy = await createProxy(database);
  await using far = await connect(
    { ...database.parameters, ...proxy.parameters },
    { label: 'A', applicationName: 'test' },
  );
  proxy.muffle();
  const answers = Promise.allSettled([
    far.load(copy, rows),
    far.script(sql`insert into public.t values (3)`),
  ]);
  while ((await session.query(notes)).length < 3) await wait(20);
  far.destroy();
  expect((await answers).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
});

test('in a transaction what comes after a failure fails too, and the session goes on', async () => {
  await session.script(sql`begin`);
  const codes = await codesOf([
    session.query(sql`select 1`),
    session.query(sql`select 1 / 0`),
    session.load(copy, rows),
    session.query(notes),
  ]);
  expect(codes).toEqual(['good', '22012', '25P02', '25P02']);
  expect(session.isInTransaction).toBe(true);
  await session.script(sql`rollback`);
  expect(await session.query(notes)).toEqual([]);
});

test.each([
  { what: 'whose table is missing', statement: sql`copy public.absent from stdin`, code: '42P01' },
  { what: 'of rows that do not fit', statement: sql`copy public.t (note, id) from stdin`, code: '22P02' },
])('a copy $what fails by itself where there is no transaction', async ({ statement, code }) => {
  const codes = await codesOf([
    session.load(statement, rows),
    session.load(copy, rows),
    session.query(notes),
  ]);
  expect(codes).toEqual([code, 'good', 'good']);
  expect(await session.query(notes)).toHaveLength(2);
});

test('a backend that is terminated fails all that is not answered', async () => {
  const admin = await database.session();
  const answers = codesOf([
    session.query(sql`select pg_sleep(60)`),
    session.query(notes),
    session.load(copy, rows),
  ]);
  const sleeping = sql`select from pg_stat_activity where pid = ${session.backendPid}::int and wait_event = 'PgSleep'`;
  while ((await admin.query(sleeping)).length === 0) await wait(5);
  await admin.query(sql`select pg_terminate_backend(${session.backendPid}::int)`);
  expect((await answers)[0]).toBe('57P01');
  expect(await answers).not.toContain('good');
  expect(session.isUsable).toBe(false);
});

test('a statement that is planned once is, also where it comes twice before an answer', async () => {
  const add = (id: number) => sql`insert into public.t values (${id}::int)`.planned();
  await Promise.all([session.counts(add(1)), session.counts(add(2))]);
  await session.counts(add(3));
  expect(await session.query(notes)).toHaveLength(3);
});

const read = async (stream: AsyncIterable<Buffer>): Promise<string> => {
  let text = '';
  for await (const chunk of stream) text += chunk.toString();
  return text;
};

const numbers = (upTo: number) => sql`copy (select generate_series(1, ${upTo}::int)) to stdout`;

test('copies of few rows come one after the other, whoever reads first, and requests after them', async () => {
  const [first, second] = [session.copyOut(numbers(3)), session.copyOut(numbers(2))];
  const none = session.copyOut(numbers(0));
  const asked = session.query(sql`select 'here' as word`);
  expect(await Promise.all([read(none), read(second), read(first)])).toEqual(['', '1\n2\n', '1\n2\n3\n']);
  expect([first.rowCount, second.rowCount, none.rowCount]).toEqual([3, 2, 0]);
  expect(await asked).toEqual([{ word: 'here' }]);
});

test('who reads too slowly holds up those who follow, and nothing heaps up', async () => {
  const wide = session.copyOut(sql`copy (select repeat('x', 999) from generate_series(1, 20000)) to stdout`);
  const asked = session.query(sql`select 'here' as word`);
  await new Promise((resolve) => wide.once('readable', resolve));
  await wait(300);
  expect(wide.readableLength).toBeLessThan(500_000);
  expect((await read(wide)).length).toBe(20_000_000);
  expect(await asked).toEqual([{ word: 'here' }]);
});

test('a copy that fails in the middle fails its reader and those that follow, and ends the session', async () => {
  await session.script(sql`begin`);
  const failing = session.copyOut(sql`copy (select 1 / (5 - n) from generate_series(1, 9) n) to stdout`);
  const next = session.copyOut(numbers(2));
  const [one, other] = await Promise.allSettled([read(failing), read(next)]);
  expect(one).toMatchObject({ status: 'rejected', reason: { code: '22012' } });
  expect(other.status).toBe('rejected');
  await expect.poll(() => session.isUsable).toBe(false);
});

test('a copy that fails leaves the next one whole, wherever what the server says is cut', async () => {
  const { host = '', port, user = '', dbname = '' } = database.parameters;
  const client = new pg.Client({ host, port: Number(port), user, database: dbname });
  await client.connect();
  onTestFinished(() => client.end());
  const pipeline = new Pipeline(client);
  for (let lap = 1; lap <= 20; lap += 1) {
    const failing = pipeline.rows(
      `copy (select 1 / (${lap * 797} - n) from generate_series(1, 20000) n) to stdout`,
    );
    const next = pipeline.rows('copy (select generate_series(1, 20000)) to stdout');
    const last = pipeline.query('select 1');
    await expect(read(failing)).rejects.toMatchObject({ code: '22012' });
    expect((await read(next)).length).toBe(108_894);
    expect(await last).toMatchObject({ rowCount: 1 });
  }
});

test('who stops reading gives the session up', async () => {
  const endless = session.copyOut(sql`copy (select generate_series(1, 1000000000)) to stdout`);
  for await (const chunk of endless) {
    expect(chunk.length).toBeGreaterThan(0);
    break;
  }
  await expect.poll(() => session.isUsable).toBe(false);
});
