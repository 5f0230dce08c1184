import { randomUUID } from 'node:crypto';
import { plainSync } from '../../test/support/sync-definition.ts';
import { expect, test } from 'vitest';
import { createDatabase } from '../../test/support/databases.ts';
import type { DatabaseId, RelationId, SyncDefinition, SyncId } from '../model/topology.ts';
import { sql } from '../pg/sql.ts';
import {
  appendConflicts,
  type ConflictRecord,
  decideConflict,
  findConflicts,
  listConflicts,
  purgeConflicts,
} from './conflict-log.ts';
import { addDatabase } from './database.ts';
import { addDbGroup, setDbGroupMembers } from './dbgroup.ts';
import { installControl } from './install.ts';
import { finishKicks, pendingKicks, purgeKicks, readKick, requestKick, startKicks } from './kick.ts';
import { findLineage, rememberLineage } from './lineage.ts';
import { clearNotice, listNotices, setNotice } from './notice.ts';
import { rememberRelation } from './relation.ts';
import { addRelGroup } from './relgroup.ts';
import { type DaemonId, releaseLeases, takeLeases } from './lease.ts';
import { lastRounds, purgeRounds, recordRounds, type RoundRecord } from './round.ts';
import { integer, row } from './row.ts';
import { type ControlStore, openControlStore } from './store.ts';
import { addTotals, readSyncStates, type SyncState, writeSyncStates } from './sync-state.ts';
import { addSync, removeSync } from './sync.ts';

const openStore = async (): Promise<ControlStore> => {
  const database = await createDatabase('control');
  await installControl(await database.session(), { schema: 'tahr' });
  return openControlStore({ connect: () => database.session(), schema: 'tahr' });
};

/** A store with sync `orders` of table public.t, from A to B. */
const openShop = async () => {
  const store = await openStore();
  const sync = await store.transaction(async (db) => {
    const newDatabase = { status: 'active', parameters: {}, makedelta: false } as const;
    const a = await addDatabase(db, { ...newDatabase, name: 'A' });
    await addDatabase(db, { ...newDatabase, name: 'B' });
    await addDbGroup(db, 'pair', [
      { database: 'A', role: 'source' },
      { database: 'B', role: 'target' },
    ]);
    const relation = { schema: 'public', name: 't' };
    const t = await rememberRelation(db, { kind: 'table', relation, foundIn: a.name });
    await addRelGroup(db, 'shop', [t.id]);
    return addSync(db, {
      name: 'orders',
      relgroup: 'shop',
      dbgroup: 'pair',
      ...plainSync,
    });
  });
  await store.transaction((db) => takeLeases(db, { daemon, syncs: [sync.id] }));
  return { store, sync, ...idsOf(sync), [Symbol.asyncDispose]: () => store.close() };
};

const idsOf = ({ id, members, relations }: SyncDefinition) => ({
  syncId: id,
  a: members[0]?.database.id as DatabaseId,
  b: members[1]?.database.id as DatabaseId,
  t: relations[0]?.id as RelationId,
});

const daemon = randomUUID() as DaemonId;

const stateOf = (syncId: SyncId, databaseId: DatabaseId): SyncState => ({
  syncId,
  databaseId,
  state: 'idle',
  waitingFor: null,
  since: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  retryAt: null,
  lastError: null,
  lastGoodAt: null,
  lastGoodMs: null,
  lastBadAt: null,
  rowsBehind: null,
  secondsBehind: null,
  copy: null,
});

const roundOf = (syncId: SyncId, databaseId: DatabaseId, endedAt: number): RoundRecord => ({
  syncId,
  databaseId,
  startedAt: endedAt - 12,
  endedAt,
  outcome: 'good',
  inserted: 1,
  updated: 2,
  deleted: 3,
  conflicts: 4,
  errorCode: null,
  errorMessage: null,
});

const conflictOf = (syncId: SyncId, relationId: RelationId, winner: DatabaseId): ConflictRecord => ({
  id: randomUUID(),
  syncId,
  relationId,
  kind: 'update_origin_differs',
  key: '(1)',
  winner,
  strategy: 'bucardo_latest',
  versions: '{"price": 12345678901234567890.10}',
  decidedAt: Date.UTC(2026, 0, 2),
});

test('states come back as they were written, with the names of sync and database', async () => {
  await using shop = await openShop();
  const first: SyncState = {
    ...stateOf(shop.syncId, shop.b),
    state: 'retrying',
    waitingFor: "database 'B'",
    retryAt: 1_800_000_000_000,
    lastError: { code: 'database_unreachable', message: 'B cannot be reached', hint: 'Nothing.' },
    lastGoodAt: 1_700_000_000_001,
    lastGoodMs: 17,
    lastBadAt: 1_700_000_000_002,
    rowsBehind: 5_000_000_000,
    secondsBehind: 1.5,
    copy: { tablesDone: 1, tablesTotal: 3, bytesDone: 9_000_000_000 },
  };
  await shop.store.transaction((db) =>
    writeSyncStates(db, { daemon, states: [stateOf(shop.syncId, shop.a), first] }),
  );
  const states = await shop.store.transaction(readSyncStates);
  expect(states).toMatchObject([
    { ...stateOf(shop.syncId, shop.a), sync: 'orders', database: 'A' },
    { ...first, sync: 'orders', database: 'B' },
  ]);
});

test('a state that says the same as before is not written again', async () => {
  await using shop = await openShop();
  const state = stateOf(shop.syncId, shop.b);
  const version = () =>
    shop.store.transaction((db) =>
      db.one(row({ xmin: integer }), sql`select xmin::text::bigint as xmin from sync_state`),
    );
  await shop.store.transaction((db) => writeSyncStates(db, { daemon, states: [state] }));
  const before = await version();
  await shop.store.transaction((db) => writeSyncStates(db, { daemon, states: [state] }));
  expect(await version()).toEqual(before);
  await shop.store.transaction((db) =>
    writeSyncStates(db, { daemon, states: [{ ...state, state: 'running' }] }),
  );
  expect(await version()).not.toEqual(before);
});

/** Seen to fail: without the join with `lease` in `writeSyncStates` the state of the first daemon comes back. */
test('what a daemon says that has lost the lease is not written, but what its rounds have done is counted', async () => {
  await using shop = await openShop();
  const successor = randomUUID() as DaemonId;
  const place = { syncId: shop.syncId, databaseId: shop.b };
  const counts = { inserted: 1, updated: 20, deleted: 300, conflicts: 4000 };
  const totals = async () => (await shop.store.transaction(readSyncStates))[0]?.totals;
  await shop.store.transaction((db) =>
    writeSyncStates(db, { daemon, states: [stateOf(shop.syncId, shop.b)] }),
  );
  expect(await totals()).toEqual({ inserted: 0, updated: 0, deleted: 0, conflicts: 0 });
  await shop.store.transaction(async (db) => {
    await releaseLeases(db, { daemon, syncs: [shop.syncId] });
    await takeLeases(db, { daemon: successor, syncs: [shop.syncId] });
    await writeSyncStates(db, {
      daemon: successor,
      states: [{ ...stateOf(shop.syncId, shop.b), state: 'copying' }],
    });
    await addTotals(db, [{ ...place, ...counts }]);
  });
  await shop.store.transaction(async (db) => {
    await writeSyncStates(db, { daemon, states: [{ ...stateOf(shop.syncId, shop.b), state: 'retrying' }] });
    await addTotals(db, [{ ...place, ...counts }]);
  });
  expect(await shop.store.transaction(readSyncStates)).toMatchObject([
    { state: 'copying', totals: { inserted: 2, updated: 40, deleted: 600, conflicts: 8000 } },
  ]);
});

test('the state of a database that has left the dbgroup is not told', async () => {
  await using shop = await openShop();
  await shop.store.transaction(async (db) => {
    await writeSyncStates(db, {
      daemon,
      states: [stateOf(shop.syncId, shop.a), stateOf(shop.syncId, shop.b)],
    });
    await setDbGroupMembers(db, 'pair', [{ database: 'A', role: 'source' }]);
  });
  const states = await shop.store.transaction(readSyncStates);
  expect(states.map(({ database }) => database)).toEqual(['A']);
});

test('the daemon can write about a sync that a command has removed', async () => {
  await using shop = await openShop();
  await shop.store.transaction((db) => removeSync(db, 'orders'));
  await shop.store.transaction(async (db) => {
    await writeSyncStates(db, { daemon, states: [stateOf(shop.syncId, shop.b)] });
    await recordRounds(db, [roundOf(shop.syncId, shop.b, 1_700_000_000_000)]);
  });
  expect(await shop.store.transaction(readSyncStates)).toEqual([]);
});

test('rounds are listed newest first, and kept by time and by count', async () => {
  await using shop = await openShop();
  const times = [1_000, 2_000, 3_000, 4_000].map((ms) => 1_700_000_000_000 + ms);
  const ended = async () =>
    (await shop.store.transaction((db) => lastRounds(db, { syncId: shop.syncId, limit: 10 }))).map(
      ({ endedAt }) => endedAt - 1_700_000_000_000,
    );
  await shop.store.transaction((db) =>
    recordRounds(
      db,
      times.map((time) => roundOf(shop.syncId, shop.b, time)),
    ),
  );
  expect(await ended()).toEqual([4_000, 3_000, 2_000, 1_000]);
  await shop.store.transaction((db) => purgeRounds(db, { before: 1_700_000_001_500, countMax: 10 }));
  expect(await ended()).toEqual([4_000, 3_000, 2_000]);
  await shop.store.transaction((db) => purgeRounds(db, { before: 0, countMax: 1 }));
  expect(await ended()).toEqual([4_000]);
});

test('a round comes back as it was recorded', async () => {
  await using shop = await openShop();
  const bad: RoundRecord = {
    ...roundOf(shop.syncId, shop.b, 1_700_000_000_123),
    outcome: 'bad',
    errorCode: 'row_refused',
    errorMessage: 'a "quoted" message',
  };
  await shop.store.transaction((db) => recordRounds(db, [bad]));
  expect(await shop.store.transaction((db) => lastRounds(db, { syncId: shop.syncId, limit: 1 }))).toEqual([
    { ...bad, database: 'B' },
  ]);
});

test('a kick is pending until it is answered, and its answer can be read', async () => {
  await using shop = await openShop();
  const id = await shop.store.transaction((db) => requestKick(db, shop.syncId));
  expect(await shop.store.transaction(pendingKicks)).toMatchObject([
    { id, syncId: shop.syncId, startedAt: null, doneAt: null, outcome: null },
  ]);
  await shop.store.transaction((db) => startKicks(db, [id]));
  const [started] = await shop.store.transaction(pendingKicks);
  expect(started?.startedAt).toEqual(expect.any(Number));
  const outcome = {
    result: 'failed',
    code: 'conflict_abort',
    message: 'two versions',
    hint: 'choose',
  } as const;
  await shop.store.transaction((db) => finishKicks(db, [id], outcome));
  expect(await shop.store.transaction(pendingKicks)).toEqual([]);
  const answered = await shop.store.transaction((db) => readKick(db, id));
  expect(answered).toMatchObject({ outcome, doneAt: expect.any(Number) });
});

test('answered kicks can be forgotten, pending ones are not', async () => {
  await using shop = await openShop();
  const later = Date.now() + 60_000;
  const [answered, pending] = await shop.store.transaction(async (db) => {
    const ids = [await requestKick(db, shop.syncId), await requestKick(db, shop.syncId)] as const;
    await finishKicks(db, [ids[0]], { result: 'done' });
    await purgeKicks(db, later);
    return ids;
  });
  expect(await shop.store.transaction((db) => readKick(db, answered))).toBeNull();
  expect(await shop.store.transaction((db) => readKick(db, pending))).toMatchObject({ doneAt: null });
});

test('a kick goes with its sync', async () => {
  await using shop = await openShop();
  const id = await shop.store.transaction((db) => requestKick(db, shop.syncId));
  await shop.store.transaction((db) => removeSync(db, 'orders'));
  expect(await shop.store.transaction((db) => readKick(db, id))).toBeNull();
});

// Fails when the second database that reports a conflict is forgotten (npm run mutate).
test('a conflict that two databases report is kept once, with both names', async () => {
  await using shop = await openShop();
  const conflict = conflictOf(shop.syncId, shop.t, shop.a);
  const [first, second] = shop.sync.members.map((member) => member.database.name);
  for (const database of [first, second, first]) {
    if (database === undefined) continue;
    await shop.store.transaction((db) => appendConflicts(db, { database, conflicts: [conflict] }));
  }
  const listed = await shop.store.transaction((db) =>
    listConflicts(db, { syncId: null, limit: 10, isUndecided: false }),
  );
  expect(listed).toEqual([
    {
      id: conflict.id,
      sync: 'orders',
      syncId: shop.syncId,
      relationId: shop.t,
      schema: 'public',
      relation: 't',
      kind: 'update_origin_differs',
      key: '(1)',
      winner: 'A',
      strategy: 'bucardo_latest',
      versions: '{"price": 12345678901234567890.10}',
      decidedAt: conflict.decidedAt,
      recordedOn: ['A', 'B'],
    },
  ]);
});

test('a conflict without a winner is listed until a person has decided it, and never purged before', async () => {
  await using shop = await openShop();
  const conflict = { ...conflictOf(shop.syncId, shop.t, shop.a), winner: null };
  const database = shop.sync.members[0]?.database;
  if (database === undefined) throw new Error('no member');
  const undecided = () =>
    shop.store.transaction((db) => listConflicts(db, { syncId: null, limit: 10, isUndecided: true }));
  await shop.store.transaction(async (db) => {
    await appendConflicts(db, { database: database.name, conflicts: [conflict] });
    await purgeConflicts(db, Date.now() + 1_000);
  });
  expect(await undecided()).toMatchObject([{ id: conflict.id, winner: null }]);
  await shop.store.transaction(async (db) => {
    const [found, ...others] = await findConflicts(db, conflict.id.slice(0, 8));
    expect([found?.id, others]).toEqual([conflict.id, []]);
    await decideConflict(db, { id: conflict.id, winner: database });
    // The other database reports it late.
    await appendConflicts(db, { database: database.name, conflicts: [conflict] });
  });
  expect(await undecided()).toEqual([]);
});

test('the conflict log outlives the sync, until it is purged', async () => {
  await using shop = await openShop();
  const conflicts = [conflictOf(shop.syncId, shop.t, shop.a)];
  const database = shop.sync.members[0]?.database.name;
  const count = async () =>
    (
      await shop.store.transaction((db) =>
        listConflicts(db, { syncId: shop.syncId, limit: 10, isUndecided: false }),
      )
    ).length;
  await shop.store.transaction(async (db) => {
    if (database !== undefined) await appendConflicts(db, { database, conflicts });
    await removeSync(db, 'orders');
  });
  expect(await count()).toBe(1);
  await shop.store.transaction((db) => purgeConflicts(db, Date.UTC(2026, 0, 2)));
  expect(await count()).toBe(1);
  await shop.store.transaction((db) => purgeConflicts(db, Date.UTC(2026, 0, 2) + 1));
  expect(await count()).toBe(0);
});

test('a notice keeps the time of its first mention, and goes when it is cleared', async () => {
  await using shop = await openShop();
  const key = { syncId: shop.syncId, databaseId: shop.b, relationId: shop.t, code: 'trigger_disabled' };
  const whole = { ...key, relationId: null };
  await shop.store.transaction(async (db) => {
    await setNotice(db, { ...key, message: 'first' });
    await setNotice(db, { ...whole, message: 'whole' });
  });
  const [first] = await shop.store.transaction(listNotices);
  await shop.store.transaction((db) => setNotice(db, { ...key, message: 'second' }));
  expect(await shop.store.transaction(listNotices)).toMatchObject([
    {
      sync: 'orders',
      database: 'B',
      schema: 'public',
      relation: 't',
      message: 'second',
      since: first?.since,
    },
    { relation: null, schema: null, message: 'whole' },
  ]);
  await shop.store.transaction((db) => clearNotice(db, key));
  await shop.store.transaction((db) => clearNotice(db, whole));
  expect(await shop.store.transaction(listNotices)).toEqual([]);
});

test('the lineage of a database is remembered to the last digit, and replaced', async () => {
  await using shop = await openShop();
  const seen = {
    incarnation: 9_007_199_254_740_993n,
    systemIdentifier: '18446744073709551615',
    timeline: 3,
    databaseOid: 4_294_967_295,
  };
  expect(await shop.store.transaction((db) => findLineage(db, shop.a))).toBeNull();
  await shop.store.transaction((db) => rememberLineage(db, shop.a, seen));
  expect(await shop.store.transaction((db) => findLineage(db, shop.a))).toMatchObject(seen);
  await shop.store.transaction((db) => rememberLineage(db, shop.a, { ...seen, timeline: 4 }));
  expect(await shop.store.transaction((db) => findLineage(db, shop.a))).toMatchObject({ timeline: 4 });
});
