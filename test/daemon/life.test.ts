import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { listDaemons, requestDaemonStop } from '../../src/control/daemon.ts';
import { updateDatabase } from '../../src/control/database.ts';
import { getInstallation } from '../../src/control/installation.ts';
import { rememberRelations } from '../../src/control/relation.ts';
import { setRelGroupMembers } from '../../src/control/relgroup.ts';
import { loadSyncDefinition } from '../../src/control/sync-definition.ts';
import { updateSync } from '../../src/control/sync.ts';
import type { DatabaseName } from '../../src/model/topology.ts';
import { sql } from '../../src/pg/sql.ts';
import { createDatabase } from '../support/databases.ts';
import { createInstallation, install, type TestInstallation } from './installation.ts';

const items = 'create table items (id int primary key, name text); create table others (id int primary key)';
const oneWay = { roles: { A: 'source', B: 'target' }, schema: items, tables: ['items'] } as const;

test('a paused sync rests, and takes up what has happened when it is resumed', async () => {
  const shop = await createInstallation(oneWay);
  shop.startDaemon();
  await shop.eventually('B', { state: 'idle' });
  await shop.store.transaction((db) => updateSync(db, 'shop', { isPaused: true }));
  await shop.eventually('B', { state: 'paused' });
  await shop.run('A', `insert into items values (1, 'one')`);
  expect(await shop.kick()).toMatchObject({ result: 'failed', code: 'sync_not_active' });
  expect(await shop.rows('B', 'items')).toEqual([]);
  await shop.store.transaction((db) => updateSync(db, 'shop', { isPaused: false }));
  await shop.equal();
  await shop.store.transaction((db) => updateSync(db, 'shop', { status: 'inactive' }));
  await shop.eventually('B', { state: 'inactive' });
});

test('a table that is added to a running sync is replicated from then on', async () => {
  const shop = await createInstallation(oneWay);
  shop.startDaemon();
  await shop.eventually('B', { state: 'idle' });
  await shop.store.transaction(async (db) => {
    const found = {
      kind: 'table',
      relation: { schema: 'public', name: 'others' },
      foundIn: 'A' as DatabaseName,
    } as const;
    const [other] = await rememberRelations(db, [found]);
    await setRelGroupMembers(db, 'everything', [
      ...shop.sync.relations.map(({ id }) => id),
      ...(other ? [other.id] : []),
    ]);
    await install(await loadSyncDefinition(db, 'shop'), (await getInstallation(db)).id);
  });
  await shop.run('A', 'insert into others values (1)');
  await vi.waitFor(async () => expect(await shop.rows('B', 'others')).toEqual(['(1)']), 10_000);
});

test('a database that is reached in another way is used in that way', async () => {
  const shop = await createInstallation(oneWay);
  const daemon = shop.startDaemon();
  await shop.eventually('B', { state: 'idle' });
  const { parameters } = shop.database('B');
  await shop.store.transaction((db) =>
    updateDatabase(db, 'B', { parameters: { ...parameters, user: 'nobody_of_this_name' } }),
  );
  await shop.eventually('B', { state: 'waiting', waitingFor: 'database B' });
  await shop.run('A', `insert into items values (1, 'one')`);
  await shop.store.transaction((db) => updateDatabase(db, 'B', { parameters }));
  await shop.equal();
  expect(daemon.log()).not.toContain('nobody_of_this_name@');
});

test('a setting that lanes do not depend on is adopted without a restart', async () => {
  const shop = await createInstallation(oneWay);
  const daemon = shop.startDaemon();
  await shop.eventually('B', { state: 'idle' });
  await shop.store.transaction((db) => updateSync(db, 'shop', { autokick: false }));
  await new Promise((resolve) => setTimeout(resolve, 500));
  await shop.run('A', `insert into items values (1, 'one')`);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(await shop.rows('B', 'items')).toEqual([]);
  expect(daemon.log().match(/sync starts/gu)).toHaveLength(1);
});

test('a stop ends the daemon after the round, and nobody is registered any more', async () => {
  const shop = await createInstallation(oneWay);
  const daemon = shop.startDaemon();
  await shop.eventually('B', { state: 'idle' });
  const [listed, ...others] = await shop.store.transaction(listDaemons);
  expect([listed, others]).toMatchObject([{ pid: process.pid }, []]);
  await shop.store.transaction((db) => requestDaemonStop(db, listed === undefined ? [] : [listed.id]));
  await daemon.ended;
  expect(await shop.store.transaction(listDaemons)).toEqual([]);
});

test('a round that cannot end is cut off by a stop, and rolled back', async () => {
  const shop = await createInstallation(oneWay);
  await shop.run('A', `insert into items select i, 'x' from generate_series(1, 10) i`);
  const blocker = await shop.database('B').session();
  await blocker.script(
    sql.verbatim(`create function public.hang() returns trigger language plpgsql as 'begin perform pg_catalog.pg_sleep(60); return new; end';
      create trigger hang before insert on public.items for each row execute function public.hang();
      alter table public.items enable always trigger hang`),
  );
  const daemon = shop.startDaemon();
  await shop.eventually('B', { state: 'running' });
  const started = Date.now();
  await daemon.stop();
  expect(Date.now() - started).toBeLessThan(6_000);
  // The server notices that nobody is there any more when the statement ends; here it is told.
  await blocker.script(
    sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'tahr %' and datname = current_database()`,
    sql`alter table public.items disable trigger hang`,
  );
  expect(await shop.rows('B', 'items')).toEqual([]);
  shop.startDaemon();
  await shop.equal();
});

test('a short absence of the control database is not noticed, and what was done is told afterwards', async () => {
  const shop = await createInstallation(oneWay);
  shop.startDaemon();
  await shop.eventually('B', { state: 'idle' });
  const back = await takeControlAway(shop);
  await shop.run('A', `insert into items values (1, 'one')`);
  await shop.equal();
  await back();
  await vi.waitFor(async () => expect((await shop.state('B')).totals.inserted).toBe(1), { timeout: 20_000 });
  expect(await shop.kick(shop.sync.name, 20_000)).toEqual({ result: 'done' });
});

/** Seen to fail: with `onEnded` in daemon.ts doing nothing and `mayWrite` always true the row arrives while the lease is long over. */
test('without the control database for longer than a lease a daemon writes nothing, and goes on by itself', async () => {
  const shop = await createInstallation(oneWay);
  const daemon = shop.startDaemon();
  await shop.eventually('B', { state: 'idle' });
  const back = await takeControlAway(shop);
  await vi.waitFor(() => expect(daemon.log()).toContain('leases have ended'), { timeout: 20_000 });
  await shop.run('A', `insert into items values (1, 'one')`);
  await sleep(2_000);
  expect(await shop.rows('B', 'items')).toEqual([]);
  await back();
  await shop.equal(20_000);
  await shop.eventually('B', {
    state: 'idle',
    waitingFor: null,
    totals: { inserted: 1, updated: 0, deleted: 0, conflicts: 0 },
  });
  expect(await shop.kick(shop.sync.name, 20_000)).toEqual({ result: 'done' });
}, 90_000);

test('a daemon that starts while the control database is away waits for it', async () => {
  const shop = await createInstallation(oneWay);
  const back = await takeControlAway(shop);
  const daemon = shop.startDaemon();
  await vi.waitFor(() => expect(daemon.log()).toContain('waiting for the control database'), 10_000);
  await back();
  await shop.run('A', `insert into items values (1, 'one')`);
  await shop.equal(20_000);
});

/** Nobody can connect any more, and whoever is connected is thrown out. @returns what brings it back */
const takeControlAway = async (shop: TestInstallation): Promise<() => Promise<void>> => {
  const administrator = await (await createDatabase('administrator')).session();
  const { name } = shop.control;
  const allow = async (isAllowed: boolean): Promise<void> => {
    const word = sql.verbatim(String(isAllowed));
    await administrator.script(sql`alter database ${sql.id(name)} with allow_connections ${word}`);
  };
  await allow(false);
  await administrator.query(
    sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`,
  );
  return () => allow(true);
};
