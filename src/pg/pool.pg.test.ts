import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../test/support/databases.ts';
import { createProxy } from '../../test/support/proxy.ts';
import { createPool, type Pool, type PoolOptions } from './pool.ts';
import type { Session } from './session.ts';
import { sql } from './sql.ts';

let database: TestDatabase;
let pool: Pool;

beforeEach(async () => {
  database = await createDatabase('pool');
});

afterEach(() => pool.close());

const open = (options: Partial<PoolOptions> = {}): Pool => {
  pool = createPool({ label: 'A', parameters: database.parameters, ...options });
  return pool;
};

const backendOf = async (session: Session): Promise<string> => {
  const [row] = await session.query(sql`select pg_backend_pid()::text as pid`);
  return row?.['pid'] ?? '';
};

test('the session used last is lent first, with what it remembers', async () => {
  const { acquire } = bound(open());
  const first = await acquire();
  const second = await acquire();
  first.session.memory.set('name', 'first');
  await second[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  await using again = await acquire();
  expect(again.session.memory.get('name')).toBe('first');
});

test('no more than the maximum are open, and those who wait are served in order', async () => {
  const { acquire } = bound(open({ max: 1 }));
  const held = await acquire();
  const served: string[] = [];
  const use = async (name: string): Promise<void> => {
    await using loan = await acquire();
    served.push(`${name} ${loan.session === held.session}`);
  };
  const waiting = ['a', 'b', 'c'].map((name) => use(name));
  await held[Symbol.asyncDispose]();
  await Promise.all(waiting);
  expect(served).toEqual(['a true', 'b true', 'c true']);
});

test('who waits can give up, and the others move on', async () => {
  const { acquire } = bound(open({ max: 1 }));
  const held = await acquire();
  const controller = new AbortController();
  const givenUp = acquire(controller.signal);
  const patient = acquire();
  controller.abort();
  await expect(givenUp).rejects.toMatchObject({ code: 'interrupted' });
  await held[Symbol.asyncDispose]();
  await (await patient)[Symbol.asyncDispose]();
  await expect(acquire(controller.signal)).rejects.toMatchObject({ code: 'interrupted' });
});

test('a discarded session is closed, and its place is free for the one who waits', async () => {
  const { acquire } = bound(open({ max: 1 }));
  const held = await acquire();
  const waiting = acquire();
  held.discard();
  await held[Symbol.asyncDispose]();
  await held[Symbol.asyncDispose]();
  await using next = await waiting;
  expect(next.session).not.toBe(held.session);
});

test('a session that comes back within a transaction is not lent again', async () => {
  const { acquire } = bound(open());
  const held = await acquire();
  await held.session.script(sql`begin`);
  await held[Symbol.asyncDispose]();
  await using next = await acquire();
  expect(next.session).not.toBe(held.session);
});

test('nor one whose transaction has failed, though the server says so a moment after the failure', async () => {
  const proxy = await createProxy(database);
  const { acquire } = bound(open({ parameters: { ...database.parameters, ...proxy.parameters } }));
  const loan = await acquire();
  proxy.straggle();
  await expect(loan.session.script(sql`begin`, sql`select 1 / 0`)).rejects.toThrow();
  await loan[Symbol.asyncDispose]();
  await using again = await acquire();
  expect(again.session).not.toBe(loan.session);
});

test('a session that breaks while nobody uses it is not lent again', async () => {
  const { acquire } = bound(open({ max: 1 }));
  const held = await acquire();
  const pid = await backendOf(held.session);
  const ended = new Promise<void>((resolve) => held.session.onEnd(resolve));
  await held[Symbol.asyncDispose]();
  const admin = await database.session();
  await admin.query(sql`select pg_terminate_backend(${pid}::int)`);
  await ended;
  await using next = await acquire();
  expect(await backendOf(next.session)).not.toBe(pid);
});

test('a session that nobody uses is closed after a while', async () => {
  const { acquire } = bound(open({ idleMs: 10 }));
  const loan = await acquire();
  const ended = new Promise<void>((resolve) => loan.session.onEnd(resolve));
  await loan[Symbol.asyncDispose]();
  await ended;
  expect(loan.session.isUsable).toBe(false);
});

test('who cannot connect hears why, and takes no place away', async () => {
  const { acquire } = bound(open({ max: 1, parameters: { ...database.parameters, dbname: 'absent' } }));
  for (let attempt = 0; attempt < 3; attempt += 1) {
    await expect(acquire()).rejects.toMatchObject({ code: 'database_missing' });
  }
});

test('a closed pool lends nothing, and closes what comes back', async () => {
  const { acquire } = bound(open({ max: 1 }));
  const held = await acquire();
  const waiting = acquire().catch((error: unknown) => error);
  await pool.close();
  await pool.close();
  expect(await waiting).toMatchObject({ code: 'interrupted' });
  await expect(acquire()).rejects.toMatchObject({ code: 'interrupted' });
  await held[Symbol.asyncDispose]();
  expect(held.session.isUsable).toBe(false);
});

const bound = (pool: Pool) => ({ acquire: (signal?: AbortSignal) => pool.acquire(signal) });
