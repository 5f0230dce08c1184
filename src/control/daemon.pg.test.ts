import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../test/support/databases.ts';
import type { Session } from '../pg/session.ts';
import { sql } from '../pg/sql.ts';
import {
  type DaemonSelf,
  forgetDaemons,
  heartbeat,
  listDaemons,
  requestDaemonStop,
  unregisterDaemon,
} from './daemon.ts';
import { addDatabase } from './database.ts';
import { installControl } from './install.ts';
import { type DaemonId, leaseMs } from './lease.ts';
import { type ControlEvent, type ControlStore, openControlStore } from './store.ts';

const daemonOn = (host: string): DaemonSelf => ({
  id: randomUUID() as DaemonId,
  host,
  pid: 4711,
  version: '0.1.0',
  logDestination: 'stderr',
});

interface TestStore {
  readonly store: ControlStore;
  /** The session that the store uses now. */
  readonly session: () => Session;
}

const installed = async (): Promise<TestDatabase> => {
  const database = await createDatabase('control');
  await installControl(await database.session(), { schema: 'tahr' });
  return database;
};

const openStore = async (database: TestDatabase, idleInTransactionMs = 0): Promise<TestStore> => {
  const sessions: Session[] = [];
  const store = await openControlStore({
    schema: 'tahr',
    idleInTransactionMs,
    connect: async () => {
      const session = await database.session();
      sessions.push(session);
      return session;
    },
  });
  return { store, session: () => sessions.at(-1) as Session };
};

/** The server ends the session, as a restart would. */
const cut = async (database: TestDatabase, session: Session): Promise<void> => {
  const [backend] = await session.query(sql`select pg_backend_pid() as pid`);
  const administrator = await database.session();
  const ended = new Promise<void>((resolve) => session.onEnd(resolve));
  await administrator.query(sql`select pg_terminate_backend(${backend?.['pid'] ?? null}::integer)`);
  await ended;
};

test('a daemon is listed while it lives, and gone when it has ended', async () => {
  const database = await installed();
  const daemon = await openStore(database);
  const observer = await openStore(database);
  const [first, second] = [daemonOn('here'), daemonOn('there')];
  expect(await observer.store.transaction(listDaemons)).toEqual([]);
  await daemon.store.transaction((db) => heartbeat(db, first));
  await daemon.store.transaction((db) => heartbeat(db, second));
  expect(await observer.store.transaction(listDaemons)).toMatchObject([
    { ...first, isStopRequested: false },
    { ...second, isStopRequested: false },
  ]);
  await daemon.store.transaction((db) => unregisterDaemon(db, first.id));
  expect(await observer.store.transaction(listDaemons)).toMatchObject([second]);
});

test.each([
  { what: 'has been silent for as long as a lease holds', byMs: -leaseMs },
  { what: 'was heard of before the clock was set back', byMs: 3_600_000 },
])('a daemon that $what is not listed, until it is heard of again', async ({ byMs }) => {
  const { store } = await openStore(await installed());
  const daemon = daemonOn('here');
  await store.transaction((db) => heartbeat(db, daemon));
  await store.transaction((db) =>
    db.run(sql`update daemon set heartbeat_at = heartbeat_at + ${byMs}::integer * interval '1 ms'`),
  );
  expect(await store.transaction(listDaemons)).toEqual([]);
  await store.transaction((db) => heartbeat(db, daemon));
  expect(await store.transaction(listDaemons)).toMatchObject([daemon]);
});

test('one that has been forgotten is known again when it comes back', async () => {
  const { store } = await openStore(await installed());
  const daemon = daemonOn('here');
  await store.transaction((db) => heartbeat(db, daemon));
  await store.transaction((db) => forgetDaemons(db, Date.now() + 60_000));
  expect(await store.transaction((db) => db.many(() => null, sql`select from daemon`))).toEqual([]);
  expect(await store.transaction((db) => heartbeat(db, daemon))).toEqual({ isStopRequested: false });
  expect(await store.transaction(listDaemons)).toMatchObject([daemon]);
});

test('a request to stop is announced, and seen by those that were asked, also when they were away', async () => {
  const database = await installed();
  const daemon = await openStore(database);
  const commands = await openStore(database);
  const [asked, other] = [daemonOn('here'), daemonOn('there')];
  const announced = new Promise<ControlEvent>((resolve) => void daemon.store.listen(resolve));
  for (const self of [asked, other]) await daemon.store.transaction((db) => heartbeat(db, self));
  await commands.store.transaction((db) => requestDaemonStop(db, [asked.id]));
  expect(await announced).toBe('stop');
  expect(await daemon.store.transaction((db) => heartbeat(db, asked))).toEqual({ isStopRequested: true });
  expect(await daemon.store.transaction((db) => heartbeat(db, other))).toEqual({ isStopRequested: false });
});

/** Seen to fail: without the setting in `store.ts` the rows stay locked for as long as the process stands still. */
test('a daemon that stands still in the middle of a transaction holds nobody up', async () => {
  const database = await installed();
  const standing = await openStore(database, 200);
  const other = await openStore(database, 200);
  const daemon = daemonOn('here');
  await other.store.transaction((db) => heartbeat(db, daemon));
  const standstill = standing.store.transaction(async (db) => {
    await heartbeat(db, daemon);
    await other.store.transaction((waiting) => heartbeat(waiting, daemon));
  });
  await expect(standstill).rejects.toMatchObject({ code: 'database_unreachable' });
});

test('a change is announced when it commits, and a dry run is not', async () => {
  const database = await installed();
  const daemon = await openStore(database);
  const commands = await openStore(database);
  const events: ControlEvent[] = [];
  const announced = new Promise<void>((resolve) => {
    void daemon.store.listen((event) => {
      events.push(event);
      resolve();
    });
  });
  await daemon.store.transaction(async () => undefined);
  const added = { name: 'A', status: 'active', parameters: {}, makedelta: false } as const;
  await commands.store.rehearse((db) => addDatabase(db, added));
  await commands.store.transaction((db) => addDatabase(db, added));
  await announced;
  expect(events).toEqual(['changed']);
});

test('whoever listens is told to look again after a reconnection, and goes on hearing', async () => {
  const database = await installed();
  const daemon = await openStore(database);
  const commands = await openStore(database);
  const events: ControlEvent[] = [];
  let heard = (): void => undefined;
  await daemon.store.listen((event) => {
    events.push(event);
    heard();
  });
  await cut(database, daemon.session());
  await daemon.store.transaction(async () => undefined);
  expect(events).toEqual(['reconnected']);
  const announced = new Promise<void>((resolve) => {
    heard = resolve;
  });
  const added = { name: 'A', status: 'active', parameters: {}, makedelta: false } as const;
  await commands.store.transaction((db) => addDatabase(db, added));
  await announced;
  expect(events).toEqual(['reconnected', 'changed']);
});

test('a transaction that fails leaves nothing, and the store goes on', async () => {
  const database = await installed();
  const { store } = await openStore(database);
  const added = { name: 'A', status: 'active', parameters: {}, makedelta: false } as const;
  const failing = store.transaction(async (db) => {
    await addDatabase(db, added);
    throw new Error('on purpose');
  });
  await expect(failing).rejects.toThrow('on purpose');
  expect(await store.transaction((db) => addDatabase(db, added))).toMatchObject({ name: 'A' });
});

test('a failure that was swallowed inside a transaction is not taken for a commit', async () => {
  const database = await installed();
  const { store } = await openStore(database);
  const swallowed = store.transaction((db) => db.run(sql`select 1/0`).catch(() => undefined));
  await expect(swallowed).rejects.toMatchObject({ facts: { sqlState: '25P02' } });
});
