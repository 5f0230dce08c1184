import { expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../test/support/databases.ts';
import type { Session } from '../pg/session.ts';
import { sql } from '../pg/sql.ts';
import { findDaemon, heartbeat, registerDaemon, requestDaemonStop, unregisterDaemon } from './daemon.ts';
import { addDatabase } from './database.ts';
import { installControl } from './install.ts';
import { type ControlEvent, type ControlStore, openControlStore } from './store.ts';

const newDaemon = { host: 'here', pid: 4711, version: '0.1.0', logDestination: 'stderr' };

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

const openStore = async (database: TestDatabase): Promise<TestStore> => {
  const sessions: Session[] = [];
  const store = await openControlStore({
    schema: 'tahr',
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

/** The connection is lost on this side only: the server goes on believing in it. */
const makeGhost = (session: Session): void => {
  Object.defineProperty(session, 'isUsable', { value: false });
};

test('a daemon is found while it runs, and gone when it has ended', async () => {
  const database = await installed();
  const daemon = await openStore(database);
  const observer = await openStore(database);
  expect(await observer.store.transaction(findDaemon)).toBeNull();
  const id = await daemon.store.transaction((db) => registerDaemon(db, newDaemon));
  expect(await observer.store.transaction(findDaemon)).toMatchObject({
    id,
    ...newDaemon,
    isStopRequested: false,
  });
  await daemon.store.transaction((db) => unregisterDaemon(db, id));
  expect(await observer.store.transaction(findDaemon)).toBeNull();
});

test('a second daemon is refused and told where the first one is', async () => {
  const database = await installed();
  const first = await openStore(database);
  const second = await openStore(database);
  const id = await first.store.transaction((db) => registerDaemon(db, newDaemon));
  const attempt = () => second.store.transaction((db) => registerDaemon(db, { ...newDaemon, host: 'there' }));
  await expect(attempt()).rejects.toMatchObject({
    code: 'daemon_already_running',
    facts: { host: 'here', pid: 4711 },
  });
  await first.store.transaction((db) => unregisterDaemon(db, id));
  await expect(attempt()).resolves.toEqual(expect.any(String));
});

test('a daemon whose process died is not found, and its place is free', async () => {
  const database = await installed();
  const first = await openStore(database);
  const second = await openStore(database);
  await first.store.transaction((db) => registerDaemon(db, newDaemon));
  await cut(database, first.session());
  expect(await second.store.transaction(findDaemon)).toBeNull();
  const id = await second.store.transaction((db) => registerDaemon(db, newDaemon));
  expect(await second.store.transaction(findDaemon)).toMatchObject({ id });
});

test('a daemon that has been silent for too long is not found, and another one takes its place', async () => {
  const database = await installed();
  const first = await openStore(database);
  const second = await openStore(database);
  const firstId = await first.store.transaction((db) => registerDaemon(db, newDaemon));
  await second.store.transaction((db) =>
    db.run(sql`update daemon set heartbeat_at = now() - interval '16 s'`),
  );
  expect(await second.store.transaction(findDaemon)).toBeNull();
  const ended = new Promise<void>((resolve) => first.session().onEnd(resolve));
  await second.store.transaction((db) => registerDaemon(db, { ...newDaemon, host: 'there' }));
  await ended;
  await expect(first.store.transaction((db) => heartbeat(db, firstId))).rejects.toMatchObject({
    code: 'daemon_already_running',
    facts: { host: 'there' },
  });
});

test('a daemon whose connection broke goes on with its next heartbeat', async () => {
  const database = await installed();
  const daemon = await openStore(database);
  const observer = await openStore(database);
  const id = await daemon.store.transaction((db) => registerDaemon(db, newDaemon));
  await cut(database, daemon.session());
  expect(await daemon.store.transaction((db) => heartbeat(db, id))).toEqual({ isStopRequested: false });
  expect(await observer.store.transaction(findDaemon)).toMatchObject({ id });
});

test('a daemon is not kept out by a connection of its own that lives on at the server', async () => {
  const database = await installed();
  const daemon = await openStore(database);
  const observer = await openStore(database);
  const id = await daemon.store.transaction((db) => registerDaemon(db, newDaemon));
  makeGhost(daemon.session());
  expect(await daemon.store.transaction((db) => heartbeat(db, id))).toEqual({ isStopRequested: false });
  expect(await observer.store.transaction(findDaemon)).toMatchObject({ id });
});

test('a daemon whose place was taken and left again does not come back', async () => {
  const database = await installed();
  const first = await openStore(database);
  const second = await openStore(database);
  const firstId = await first.store.transaction((db) => registerDaemon(db, newDaemon));
  await cut(database, first.session());
  const secondId = await second.store.transaction((db) => registerDaemon(db, newDaemon));
  await second.store.transaction((db) => unregisterDaemon(db, secondId));
  await expect(first.store.transaction((db) => heartbeat(db, firstId))).rejects.toMatchObject({
    code: 'daemon_already_running',
  });
});

test('a request to stop is announced and seen by the next heartbeat', async () => {
  const database = await installed();
  const daemon = await openStore(database);
  const commands = await openStore(database);
  const id = await daemon.store.transaction((db) => registerDaemon(db, newDaemon));
  const announced = new Promise<ControlEvent>((resolve) => void daemon.store.listen(resolve));
  await daemon.store.transaction((db) => heartbeat(db, id));
  await commands.store.transaction(requestDaemonStop);
  expect(await announced).toBe('stop');
  expect(await daemon.store.transaction((db) => heartbeat(db, id))).toEqual({ isStopRequested: true });
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
