import { expect, test } from 'vitest';
import type { DaemonFacts } from '../../control/daemon.ts';
import type { DaemonId, LeaseFacts } from '../../control/lease.ts';
import type { StoredSyncState, WorkState } from '../../control/sync-state.ts';
import { syncOf } from '../../../test/support/sync-definition.ts';
import type {
  DatabaseId,
  DatabaseName,
  Member,
  Role,
  SyncDefinition,
  SyncId,
  SyncName,
} from '../../model/topology.ts';
import { buildReport, type StatusReport, type SyncReport } from './report.ts';
import { detailsText } from './details.ts';
import { reportJson } from './json.ts';
import { overviewText } from './text.ts';

const now = 1_000_000;

const daemon: DaemonFacts = {
  id: 'd' as DaemonId,
  host: 'h',
  pid: 7,
  version: '1',
  logDestination: 'stderr',
  startedAt: now - 60_000,
  heartbeatAt: now,
  isStopRequested: false,
};

const member = (id: number, name: string, role: Role): Member => ({
  role,
  database: {
    id: id as DatabaseId,
    name: name as DatabaseName,
    status: 'active',
    parameters: {},
    makedelta: false,
  },
});

const sync = (changes: Partial<SyncDefinition> = {}): SyncDefinition =>
  syncOf({
    id: 's' as SyncId,
    name: 'shop' as SyncName,
    members: [member(1, 'A', 'source'), member(2, 'B', 'target')],
    relations: [],
    ...changes,
  });

const state = (
  databaseId: number,
  work: WorkState,
  changes: Partial<StoredSyncState> = {},
): StoredSyncState =>
  ({
    syncId: 's',
    databaseId,
    sync: 'shop',
    database: databaseId === 1 ? 'A' : 'B',
    state: work,
    waitingFor: null,
    since: now - 5000,
    retryAt: null,
    lastError: null,
    lastGoodAt: now - 10_000,
    lastGoodMs: 20,
    lastBadAt: null,
    rowsBehind: 0,
    secondsBehind: 0,
    copy: null,
    totals: { inserted: 1, updated: 2, deleted: 3, conflicts: 4 },
    updatedAt: now,
    ...changes,
  }) as StoredSyncState;

const report = (
  states: readonly StoredSyncState[],
  given: { sync?: SyncDefinition; daemons?: readonly DaemonFacts[]; holder?: DaemonId | null } = {},
): StatusReport =>
  buildReport({
    now,
    daemons: given.daemons ?? [daemon],
    leases: [{ syncId: 's', holder: given.holder === undefined ? daemon.id : given.holder } as LeaseFacts],
    syncs: [given.sync ?? sync()],
    states,
    notices: [],
    clocks: [],
    rounds: [],
  });

const view = { out: { paint: (_: unknown, text: string) => text }, now };
const failed = { code: 'row_refused', message: 'B: refused', hint: 'Correct it.' };

test('a sync is in the condition of the database that is worst off', () => {
  const { syncs, isHealthy } = report([
    state(1, 'idle'),
    state(2, 'retrying', { lastError: failed, lastBadAt: now }),
  ]);
  expect(syncs[0]).toMatchObject({ condition: 'retrying', isHealthy: false, error: failed });
  expect(isHealthy).toBe(false);
});

test('a failure that was overcome is not told, and is healthy', () => {
  const { syncs } = report([state(2, 'idle', { lastError: failed, lastBadAt: now - 20_000 })]);
  expect(syncs[0]).toMatchObject({ condition: 'idle', isHealthy: true, error: null });
});

test('a round that runs after a failure is not healthy yet', () => {
  const { syncs } = report([state(2, 'running', { lastError: failed, lastBadAt: now })]);
  expect(syncs[0]).toMatchObject({ condition: 'running', isHealthy: false });
});

test('without a daemon nothing that it wrote is believed', () => {
  const { syncs, isHealthy } = report([state(2, 'idle')], { daemons: [] });
  expect(syncs[0]).toMatchObject({ condition: 'no daemon', isHealthy: false });
  expect(isHealthy).toBe(false);
});

test('an inactive or paused sync is healthy, whatever it did before', () => {
  const states = [state(2, 'retrying', { lastError: failed, lastBadAt: now })];
  expect(report(states, { sync: sync({ status: 'inactive' }) })).toMatchObject({
    isHealthy: true,
    syncs: [{ condition: 'inactive' }],
  });
  expect(report(states, { sync: sync({ isPaused: true }) })).toMatchObject({
    isHealthy: true,
    syncs: [{ condition: 'paused' }],
  });
});

test.each([
  [60, null],
  [61, 'overdue'],
  [3600, 'overdue'],
  [3601, 'expired'],
  [null, null],
] as const)('changes that wait for %s seconds are %s', (secondsBehind, lateness) => {
  const told = report([state(2, 'running', { secondsBehind })], {
    sync: sync({ overdueMs: 60_000, expiredMs: 3_600_000 }),
  });
  expect(told).toMatchObject({ isHealthy: lateness === null, syncs: [{ lateness, condition: 'running' }] });
  const shown = lateness === null ? 'running' : `running, ${lateness} (unhealthy)`;
  expect(overviewText(told, view)).toContain(`shop | ${shown} `);
});

test('what waits while a sync is paused is not late', () => {
  const paused = sync({ isPaused: true, overdueMs: 1 });
  expect(report([state(2, 'idle', { secondsBehind: 9 })], { sync: paused })).toMatchObject({
    isHealthy: true,
    syncs: [{ lateness: null }],
  });
});

test('a sync that no daemon has taken yet is starting, whatever the one before has left', () => {
  const told = report([state(2, 'retrying', { lastError: failed, rowsBehind: 7 })], { holder: null });
  expect(told.syncs[0]).toMatchObject({ condition: 'starting', daemon: null, rowsBehind: null });
  expect(overviewText(told, view)).toMatch(/^Daemon: running for 1m, process 7 on h, 0 syncs$/mu);
});

test('of several daemons it is told who works on what', () => {
  const second = { ...daemon, id: 'e' as DaemonId, pid: 8, host: 'g', isStopRequested: true };
  const told = report([state(2, 'idle')], { daemons: [daemon, second], holder: second.id });
  expect(reportJson(told)).toMatchObject({
    daemons: [
      { pid: 7, syncCount: 0 },
      { pid: 8, syncCount: 1 },
    ],
    syncs: [{ name: 'shop', daemon: { host: 'g', pid: 8 } }],
  });
  const text = overviewText(told, view);
  expect(text).toContain('process 7 on h, 0 syncs\n');
  expect(text).toContain('process 8 on g, 1 sync, asked to stop\n');
  expect(text).toMatch(/^ shop .*\| process 8 on g *$/mu);
});

test('a sync of which the daemon has said nothing yet is starting', () => {
  expect(report([]).syncs[0]?.condition).toBe('starting');
});

test('the overview tells what is waited for, since when, and when it is tried again', () => {
  const text = overviewText(
    report([
      state(1, 'copying', { copy: { tablesDone: 1, tablesTotal: 3, bytesDone: 12_300_000 } }),
      state(2, 'retrying', {
        lastError: failed,
        lastBadAt: now,
        retryAt: now + 4000,
        rowsBehind: 12,
        secondsBehind: 3.4,
      }),
    ]),
    view,
  );
  expect(text).toContain('Daemon: running for 1m, process 7 on h, 1 sync');
  expect(text).toContain('12 rows, 3.4s');
  expect(text).toMatch(/A: copying since \S+ \(5\.0s\): 1 of 3 tables, 12\.3 MB/);
  expect(text).toMatch(
    /B: failing since \S+ \(5\.0s\), trying again in 4\.0s\n {4}B: refused\n {4}Correct it\./,
  );
});

const aborted = { code: 'conflict_abort', message: 'A: 1 row was changed on both', hint: 'Resume.' };

test('a sync that the daemon paused for a conflict is stopped and unhealthy, and says why', () => {
  const told = report(
    [state(1, 'paused', { lastError: aborted, lastBadAt: now - 2000 }), state(2, 'paused')],
    { sync: sync({ isPaused: true }) },
  );
  expect(told).toMatchObject({
    isHealthy: false,
    syncs: [{ condition: 'stopped', isHealthy: false, error: aborted }],
  });
  expect(overviewText(told, view)).toMatch(/shop +\| stopped \(unhealthy\)/);
  expect(overviewText(told, view)).toMatch(
    /A: stopped since .*\n {4}A: 1 row was changed on both\n {4}Resume\./,
  );
});

test('a conflict that was resolved before somebody paused the sync is no reason', () => {
  const states = [state(1, 'paused', { lastError: aborted, lastBadAt: now - 20_000 })];
  expect(report(states, { sync: sync({ isPaused: true }) })).toMatchObject({
    isHealthy: true,
    syncs: [{ condition: 'paused', error: null }],
  });
});

test.each([
  ['paused', { sync: sync({ isPaused: true }) }],
  ['inactive', { sync: sync({ status: 'inactive' as const }) }],
  ['without a daemon', { daemons: [] }],
])('how far a sync that is %s is behind is not told, for nobody measures it', (_, given) => {
  const told = report([state(2, 'idle')], given);
  expect(reportJson(told).syncs[0]).toMatchObject({
    rowsBehind: null,
    secondsBehind: null,
    databases: [{}, { rowsBehind: null, secondsBehind: null }],
  });
  expect(overviewText(told, view)).toMatch(/ -$/m);
});

test('without a daemon a database is told as of the time of what is known', () => {
  const told = report([state(2, 'retrying', { lastError: failed, lastBadAt: now })], { daemons: [] });
  const [first] = told.syncs;
  if (first === undefined) throw new Error('no sync');
  const text = detailsText(first, view);
  expect(text).toMatch(/B +\| target +\| no daemon, as of \d/);
  expect(text).not.toContain('retrying');
  expect(text).not.toContain('trying again');
  expect(text).toContain('B: refused');
});

const away = { code: 'database_unreachable', message: 'database B cannot be reached', hint: 'Wait.' };

test('a database that is waited for is unhealthy after ten seconds, and the reason is shown', () => {
  const waiting = (since: number): StatusReport =>
    report([state(2, 'waiting', { waitingFor: 'database B', since, lastError: away, lastBadAt: since })]);
  expect(waiting(now - 5000).syncs[0]).toMatchObject({ condition: 'waiting', isHealthy: true });
  const long = waiting(now - 11_000);
  expect(long.syncs[0]).toMatchObject({ condition: 'waiting', isHealthy: false, error: away });
  expect(overviewText(long, view)).toMatch(/shop +\| waiting \(unhealthy\)/);
  expect(overviewText(long, view)).toMatch(
    /B: waiting for database B since .*\n {4}database B cannot be reached\n {4}Wait\./,
  );
});

test('what differs on single databases is told, a line for each table', () => {
  const relation = {
    id: 1,
    kind: 'table',
    relation: { schema: 'public', name: 'orders' },
    customNames: [{ database: 2, relation: { schema: 'archive', name: 'Orders' } }],
    customCols: [{ database: 2, list: 'id, total' }],
    filters: [{ database: 2, where: "region = 'EU'", operations: ['insert', 'update'] }],
  } as unknown as SyncDefinition['relations'][number];
  const plain = { ...relation, customNames: [], customCols: [], filters: [] };
  const told = (relations: SyncDefinition['relations']): string =>
    detailsText(report([state(2, 'idle')], { sync: sync({ relations }) }).syncs[0] as SyncReport, view);
  expect(told([relation, plain])).toContain(
    `Mapping:\n  public.orders on B: called archive."Orders", SELECT id, total, where region = 'EU', insert and update only\n`,
  );
  expect(told([plain])).not.toContain('Mapping');
});
