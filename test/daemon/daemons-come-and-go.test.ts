/**
 * Two daemons, as processes of their own, share the syncs of an installation: one joins, is killed, is stopped.
 *
 * Seen to fail: without `give` in `planShare` the one that joins gets nothing; with a supervisor that does not ask `mayWork` both write
 * every table; with leases of 20 s nobody takes over in time; when `unregisterDaemon` leaves the leases nobody takes over at once;
 * with `isBusy` always false the copy is cut off, and begins again elsewhere.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { readKick, requestKick } from '../../src/control/kick.ts';
import { readLeases } from '../../src/control/lease.ts';
import { readSyncStates } from '../../src/control/sync-state.ts';
import { sql } from '../../src/pg/sql.ts';
import { end, startProcess } from './daemon-process.ts';
import type { TestInstallation } from './installation.ts';
import { createSeveralSyncs, equalTables, holders, sharedOut, witnessed } from './several-syncs.ts';

/** What is promised. */
const takenOverWithinMs = 15_000;

/** A row in each table, until the signal; how many each has. */
const keepWriting = async (
  shop: TestInstallation,
  tables: readonly string[],
  signal: AbortSignal,
): Promise<number> => {
  let count = 0;
  for (; !signal.aborted; count += 1) {
    await shop.run('A', tables.map((table) => `insert into ${table} values (${count}, 'x')`).join(';'));
    await sleep(20);
  }
  return count;
};

/** Returns when all that is in the tables on A now is on B. */
const arrived = async (shop: TestInstallation, tables: readonly string[], id: number): Promise<void> => {
  await shop.run('A', tables.map((table) => `insert into ${table} values (${id}, 'mark')`).join(';'));
  await vi.waitFor(
    async () => {
      for (const table of tables) expect(await shop.rows('B', table)).toContain(`(${id},mark)`);
    },
    { timeout: 60_000, interval: 20 },
  );
};

test('each sync is worked on by exactly one daemon, and they share them', async () => {
  const { shop, tables } = await createSeveralSyncs(5);
  startProcess(shop);
  await sharedOut(shop, [5]);
  startProcess(shop);
  const daemons = await sharedOut(shop, [3, 2]);
  // What the first has begun before it gave its leases back is over now.
  await arrived(shop, tables, 1);
  await shop.run('B', 'truncate public.written');
  await arrived(shop, tables, 2);
  const writers = new Map(tables.map((table) => [table, new Set<string>()]));
  for (const { table, daemon } of await witnessed(shop)) writers.get(table)?.add(daemon);
  const leases = await shop.store.transaction(readLeases);
  expect([...writers.values()].map((names) => [...names]).toSorted()).toEqual(
    leases.map(({ holder }) => [holder]).toSorted(),
  );
  expect(new Set(await holders(shop))).toEqual(new Set(daemons));
  const kicks = await shop.store.transaction(async (db) => {
    const made = [];
    for (const { syncId } of leases) made.push(await requestKick(db, syncId));
    return made;
  });
  for (const id of kicks)
    await vi.waitFor(
      async () =>
        expect(await shop.store.transaction((db) => readKick(db, id))).toMatchObject({
          outcome: { result: 'done' },
        }),
      { timeout: 20_000 },
    );
}, 120_000);

test('a daemon that is killed is taken over within 15 seconds, and nothing is lost', async () => {
  const { shop, tables } = await createSeveralSyncs(4);
  const first = startProcess(shop);
  await sharedOut(shop, [4]);
  startProcess(shop);
  await sharedOut(shop, [2, 2]);
  const stopping = new AbortController();
  const writing = keepWriting(shop, tables, stopping.signal);
  await arrived(shop, tables, 1_000_000);
  await end(first, 'SIGKILL');
  const killedAt = Date.now();
  await arrived(shop, tables, 1_000_001);
  expect(Date.now() - killedAt).toBeLessThan(takenOverWithinMs);
  await sharedOut(shop, [4]);
  stopping.abort();
  const count = await writing;
  await equalTables(shop, tables);
  for (const table of tables) expect(await shop.rows('B', table)).toHaveLength(count + 2);
}, 120_000);

test('a daemon that is told to end is taken over at once, and its kicks are answered by the other', async () => {
  const { shop, tables } = await createSeveralSyncs(2);
  const first = startProcess(shop);
  await sharedOut(shop, [2]);
  startProcess(shop);
  await sharedOut(shop, [1, 1]);
  expect(await end(first, 'SIGTERM')).toMatchObject({ code: 0 });
  const endedAt = Date.now();
  const kicks = await shop.store.transaction(async (db) => {
    const leases = await readLeases(db);
    return Promise.all(leases.map(({ syncId }) => requestKick(db, syncId)));
  });
  await arrived(shop, tables, 1);
  // An expired lease would have taken eight seconds at least.
  expect(Date.now() - endedAt).toBeLessThan(7_000);
  await sharedOut(shop, [2]);
  for (const id of kicks)
    await vi.waitFor(
      async () =>
        expect(await shop.store.transaction((db) => readKick(db, id))).toMatchObject({
          outcome: { result: 'done' },
        }),
      { timeout: 20_000 },
    );
}, 120_000);

test('a sync in the middle of a long copy stays where it is when another daemon joins', async () => {
  const { shop } = await createSeveralSyncs(2, { onetimecopy: 1 });
  // In the order of their names t1 would go first.
  await shop.run('B', 'create sequence public.copies');
  await shop.run(
    'B',
    `create function public.slow() returns trigger language plpgsql as
       $$ begin perform pg_catalog.nextval('public.copies'), pg_catalog.pg_sleep(12); return null; end $$;
     create trigger slow before insert on t1 for each statement execute function public.slow();
     alter table t1 enable always trigger slow`,
  );
  await shop.run('A', `insert into t1 values (1, 'copied')`);
  const first = startProcess(shop);
  const [daemon = ''] = await sharedOut(shop, [2]);
  await vi.waitFor(
    async () => {
      const states = await shop.store.transaction(readSyncStates);
      const copying = states.find(({ sync, state }) => sync === 't1' && state === 'copying');
      // So long that it is not cut off for the sake of a fair share.
      expect(Date.now() - (copying?.since ?? Date.now())).toBeGreaterThan(4_000);
    },
    { timeout: 30_000, interval: 100 },
  );
  startProcess(shop);
  await sharedOut(shop, [1, 1]);
  await vi.waitFor(async () => expect(await shop.rows('B', 't1')).toEqual(['(1,copied)']), {
    timeout: 40_000,
    interval: 100,
  });
  const session = await shop.database('B').session();
  expect(await session.query(sql`select last_value from public.copies`), 'begun once').toEqual([
    { last_value: '1' },
  ]);
  const written = (await witnessed(shop)).filter(({ table }) => table === 't1');
  expect(new Set(written.map((one) => one.daemon))).toEqual(new Set([daemon]));
  expect(first.exitCode).toBeNull();
}, 120_000);
