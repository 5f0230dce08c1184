import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../test/support/databases.ts';
import type { Session } from './session.ts';
import { sql } from './sql.ts';

let database: TestDatabase;
let session: Session;

beforeEach(async () => {
  database = await createDatabase('copy_in');
  session = await database.session();
  await session.script(sql`create table public.t (id int primary key, note text)`);
});

const copy = sql`copy public.t from stdin`;

const lines = (from: number, upTo: number): string[] =>
  Array.from({ length: upTo - from + 1 }, (_, index) => `${from + index}\t${'x'.repeat(index % 300)}\n`);

const count = async (used: Session): Promise<number> =>
  Number((await used.query(sql`select count(*) from public.t`))[0]?.['count']);

test.each([1, 3, 50_000])('%i rows arrive, and are counted', async (rowCount) => {
  const stream = session.copyIn(copy);
  await pipeline(Readable.from(lines(1, rowCount)), stream);
  expect(stream.rowCount).toBe(rowCount);
  expect(await count(session)).toBe(rowCount);
});

test('no rows are a copy too', async () => {
  const stream = session.copyIn(copy);
  await pipeline(Readable.from([]), stream);
  expect(stream.rowCount).toBe(0);
});

test('a row of 20 MB arrives whole', async () => {
  await pipeline(
    Readable.from(['1\t', ...Array<string>(20).fill('y'.repeat(1_000_000)), '\n']),
    session.copyIn(copy),
  );
  expect(
    await session.query(sql`select length(note), note = repeat('y', 20000000) as is_same from public.t`),
  ).toEqual([{ length: '20000000', is_same: 't' }]);
});

test('a transaction that is to begin with the next message begins with the copy', async () => {
  session.beginWithNext(sql`begin isolation level repeatable read`);
  await pipeline(Readable.from(lines(1, 5)), session.copyIn(copy));
  expect(session.isInTransaction).toBe(true);
  expect(await session.query(sql`select current_setting('transaction_isolation') as level`)).toEqual([
    { level: 'repeatable read' },
  ]);
  await session.script(sql`rollback`);
  expect(await count(session)).toBe(0);
});

test.each([
  {
    what: 'in the middle',
    rows: [...lines(1, 20_000), 'one\tnot a number\n', ...lines(20_001, 60_000)],
    code: '22P02',
  },
  { what: 'at the end', rows: [...lines(1, 1_000), '1000\ttwice\n'], code: '23505' },
])('what the server refuses $what fails the copy, and the session goes on', async ({ rows, code }) => {
  await expect(pipeline(Readable.from(rows), session.copyIn(copy))).rejects.toMatchObject({ code });
  expect(await count(session)).toBe(0);
  await pipeline(Readable.from(lines(1, 10)), session.copyIn(copy));
  expect(await count(session)).toBe(10);
});

test('a statement that the server does not begin fails as it says', async () => {
  const stream = session.copyIn(sql`copy public.absent from stdin`);
  await expect(pipeline(Readable.from(lines(1, 10)), stream)).rejects.toMatchObject({ code: '42P01' });
  expect(session.isUsable).toBe(true);
});

test('whose sender fails gives up the session, and nothing of the copy is there', async () => {
  async function* broken(): AsyncGenerator<string> {
    yield* lines(1, 5_000);
    throw new Error('the sender has failed');
  }
  await expect(pipeline(Readable.from(broken()), session.copyIn(copy))).rejects.toThrow(
    'the sender has failed',
  );
  await expect.poll(() => session.isUsable).toBe(false);
  await using other = await database.session();
  expect(await count(other)).toBe(0);
});

test('a backend that is ended in the middle fails the copy', async () => {
  await using other = await database.session();
  async function* ending(): AsyncGenerator<string> {
    yield* lines(1, 5_000);
    await other.query(sql`select pg_terminate_backend(${session.backendPid}::int)`);
    yield* lines(5_001, 400_000);
  }
  await expect(pipeline(Readable.from(ending()), session.copyIn(copy))).rejects.toThrow();
  await expect.poll(() => session.isUsable).toBe(false);
  expect(await count(other)).toBe(0);
});
