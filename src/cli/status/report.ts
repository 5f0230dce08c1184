/**
 * What `status` says, from the facts in the control store. Health is derived here, each time, and stored nowhere.
 * Pure.
 *
 * What a daemon wrote is only as true as long as it holds the lease of the sync: without any daemon, every sync that should run is
 * `no daemon`, and so are its databases; one that no daemon has taken yet is `starting`. The rest is told as of the time when it was
 * written. How far a database is behind is told only while somebody measures it.
 */
import type { DaemonFacts } from '../../control/daemon.ts';
import type { StoredDbClock } from '../../control/db-clock.ts';
import type { LeaseFacts } from '../../control/lease.ts';
import type { StoredNotice } from '../../control/notice.ts';
import type { StoredRound } from '../../control/round.ts';
import type { LastError, StoredSyncState, WorkState } from '../../control/sync-state.ts';
import type { ErrorCode } from '../../model/errors.ts';
import { formatRelation, type Role, sources, type SyncDefinition } from '../../model/topology.ts';

export interface StatusFacts {
  readonly now: number;
  /** Those that are at work. */
  readonly daemons: readonly DaemonFacts[];
  readonly leases: readonly LeaseFacts[];
  readonly syncs: readonly SyncDefinition[];
  readonly states: readonly StoredSyncState[];
  readonly notices: readonly StoredNotice[];
  readonly clocks: readonly StoredDbClock[];
  /** Newest first. */
  readonly rounds: readonly StoredRound[];
}

export type SyncCondition = WorkState | 'no daemon';

/** What the daemon wrote of a database, with what it does now in the place of what it did then. */
export interface KnownState extends Omit<StoredSyncState, 'state'> {
  readonly condition: SyncCondition;
}

export interface DatabaseReport {
  readonly name: string;
  readonly role: Role;
  /** The source that it is copied from, in the role fullcopy; else null. */
  readonly copiedFrom: string | null;
  /** Null: the daemon has nothing to do there but to read, or has said nothing yet. */
  readonly state: KnownState | null;
}

export interface DatabaseClock extends StoredDbClock {
  readonly name: string;
}

export interface SyncReport {
  readonly sync: SyncDefinition;
  /** The one that works on it; null: none at present. */
  readonly daemon: DaemonFacts | null;
  readonly condition: SyncCondition;
  readonly isHealthy: boolean;
  /** Changes have waited, or a full copy is older, than the operator finds right; null: not so, or nobody knows. */
  readonly lateness: 'overdue' | 'expired' | null;
  /** The failure that matters now; an old one that was overcome is not told here. */
  readonly error: LastError | null;
  readonly lastGoodAt: number | null;
  readonly lastGoodMs: number | null;
  readonly lastBadAt: number | null;
  readonly rowsBehind: number | null;
  readonly secondsBehind: number | null;
  readonly totals: {
    readonly inserted: number;
    readonly updated: number;
    readonly deleted: number;
    readonly conflicts: number;
  };
  readonly databases: readonly DatabaseReport[];
  readonly notices: readonly string[];
  /** Of its sources, where there are several, as far as they have been compared with the control database's. */
  readonly clocks: readonly DatabaseClock[];
  readonly rounds: readonly StoredRound[];
}

export interface DaemonReport extends DaemonFacts {
  /** Of all that there are, whichever are told of. */
  readonly syncCount: number;
}

export interface StatusReport {
  readonly daemons: readonly DaemonReport[];
  readonly isHealthy: boolean;
  readonly syncs: readonly SyncReport[];
}

export const buildReport = (facts: StatusFacts): StatusReport => {
  const syncs = facts.syncs.map((sync) => syncReport(sync, facts));
  const isDaemonMissed = facts.daemons.length === 0 && syncs.length > 0;
  return {
    daemons: facts.daemons.map((daemon) => ({
      ...daemon,
      syncCount: facts.leases.filter(({ holder }) => holder === daemon.id).length,
    })),
    isHealthy: !isDaemonMissed && syncs.every(({ isHealthy }) => isHealthy),
    syncs,
  };
};

const syncReport = (
  sync: SyncDefinition,
  { now, daemons, leases, states, notices, clocks, rounds }: StatusFacts,
): SyncReport => {
  const holder = leases.find(({ syncId }) => syncId === sync.id)?.holder ?? null;
  const daemon = daemons.find(({ id }) => id === holder) ?? null;
  const absence = daemon !== null ? null : daemons.length === 0 ? 'no daemon' : 'starting';
  const own = states
    .filter(({ syncId }) => syncId === sync.id)
    .map((state) => knownState(state, { sync, absence }));
  const condition = conditionOf(sync, { absence, states: own });
  const troubled = own.filter((state) => isTroubled(state, now));
  const failing = troubled.find((state) => state.condition === condition) ?? troubled[0];
  const secondsBehind = largest(own.map((state) => state.secondsBehind));
  const lateness = latenessOf(sync, largest([secondsBehind, ...copyAges(sync, own, now)]));
  const isWell = isAtRest(condition) || (failing === undefined && lateness === null);
  return {
    sync,
    daemon,
    condition,
    isHealthy: isHealthyCondition(condition) && isWell,
    lateness,
    error: failing?.lastError ?? null,
    ...timesOf(own),
    rowsBehind: largest(own.map(({ rowsBehind }) => rowsBehind)),
    secondsBehind,
    totals: sumOf(own),
    databases: sync.members.map(({ database, role }) => ({
      name: database.name,
      role,
      copiedFrom: role === 'fullcopy' ? (sources(sync)[0]?.database.name ?? null) : null,
      state: own.find(({ databaseId }) => databaseId === database.id) ?? null,
    })),
    notices: notices.filter((notice) => notice.sync === sync.name).map(noticeText),
    clocks: clocksOf(sync, clocks),
    rounds: rounds.filter(({ syncId }) => syncId === sync.id),
  };
};

/** One source contends with nobody. */
const clocksOf = (sync: SyncDefinition, clocks: readonly StoredDbClock[]): DatabaseClock[] => {
  const contending = sources(sync);
  if (contending.length < 2) return [];
  return contending.flatMap(({ database }) =>
    clocks
      .filter(({ databaseId }) => databaseId === database.id)
      .map((clock) => ({ name: database.name, ...clock })),
  );
};

/** In seconds, of those that are replaced whole: nobody measures what they lack, so their age tells how late they are. */
const copyAges = (
  { members }: SyncDefinition,
  states: readonly KnownState[],
  now: number,
): (number | null)[] =>
  states
    .filter(({ databaseId }) =>
      members.some(({ role, database }) => role === 'fullcopy' && database.id === databaseId),
    )
    .map(({ lastGoodAt }) => (lastGoodAt === null ? null : (now - lastGoodAt) / 1000));

const latenessOf = (
  { overdueMs, expiredMs }: SyncDefinition,
  waitS: number | null,
): SyncReport['lateness'] => {
  const isPast = (limitMs: number | null): boolean =>
    limitMs !== null && waitS !== null && waitS * 1000 > limitMs;
  if (isPast(expiredMs)) return 'expired';
  return isPast(overdueMs) ? 'overdue' : null;
};

interface Observer {
  readonly sync: SyncDefinition;
  /** What is to be said because nobody works on the sync; null: somebody does. */
  readonly absence: 'no daemon' | 'starting' | null;
}

const knownState = (stored: StoredSyncState, observer: Observer): KnownState => {
  const { state, ...facts } = stored;
  const condition = databaseCondition(stored, observer);
  const isMeasured = condition === state && !isAtRest(condition);
  return { ...facts, condition, ...(isMeasured ? {} : { rowsBehind: null, secondsBehind: null }) };
};

const databaseCondition = (stored: StoredSyncState, { sync, absence }: Observer): SyncCondition => {
  if (sync.status === 'inactive') return 'inactive';
  if (sync.isPaused) return isAborted(stored) ? 'stopped' : 'paused';
  return absence ?? stored.state;
};

/** The daemon itself pauses a sync for what a person must decide; that is not a rest that somebody ordered. */
const isAborted = (stored: StoredSyncState): boolean =>
  decidedByPerson.has(stored.lastError?.code ?? '') && isLastBad(stored);

const decidedByPerson: ReadonlySet<string> = new Set<ErrorCode>(['conflict_abort', 'position_lost']);

/** From the worst to the best: a sync is in the condition of the database that is worst off. */
const severity: readonly WorkState[] = [
  'stopped',
  'retrying',
  'waiting',
  'copying',
  'running',
  'starting',
  'idle',
  'paused',
  'inactive',
];

interface Surroundings extends Pick<Observer, 'absence'> {
  readonly states: readonly KnownState[];
}

const conditionOf = (
  { status, isPaused }: SyncDefinition,
  { absence, states }: Surroundings,
): SyncCondition => {
  if (status === 'inactive') return 'inactive';
  const worst = severity.find((candidate) => states.some((state) => state.condition === candidate));
  if (isPaused) return worst ?? 'paused';
  if (absence !== null) return absence;
  return worst ?? 'starting';
};

/** By command: nothing is expected of the sync. */
const isAtRest = (condition: SyncCondition): boolean => condition === 'inactive' || condition === 'paused';

const isHealthyCondition = (condition: SyncCondition): boolean =>
  !(['stopped', 'retrying', 'no daemon'] as SyncCondition[]).includes(condition);

/** A database that restarts is back sooner; one that is away for longer is away. */
const healthyWaitMs = 10_000;

/** It waits for too long, or failed and has not succeeded since. */
const isTroubled = (state: KnownState, now: number): boolean => {
  if (state.condition === 'waiting') return now - state.since > healthyWaitMs;
  const hasFailed = state.condition === 'stopped' || state.condition === 'retrying';
  return hasFailed || (state.lastError !== null && isLastBad(state));
};

const isLastBad = ({ lastBadAt, lastGoodAt }: Pick<KnownState, 'lastBadAt' | 'lastGoodAt'>): boolean =>
  (lastBadAt ?? 0) > (lastGoodAt ?? 0);

/** The newest round that was good, and the newest that was bad, on any database; which one, its own line tells. */
const timesOf = (
  states: readonly KnownState[],
): Pick<SyncReport, 'lastGoodAt' | 'lastGoodMs' | 'lastBadAt'> => {
  const good = states.toSorted((one, other) => (other.lastGoodAt ?? 0) - (one.lastGoodAt ?? 0))[0];
  return {
    lastGoodAt: good?.lastGoodAt ?? null,
    lastGoodMs: good?.lastGoodMs ?? null,
    lastBadAt: largest(states.map(({ lastBadAt }) => lastBadAt)),
  };
};

const largest = (values: readonly (number | null)[]): number | null => {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
};

const sumOf = (states: readonly KnownState[]): SyncReport['totals'] => {
  const sum = (pick: (totals: KnownState['totals']) => number): number =>
    states.reduce((total, state) => total + pick(state.totals), 0);
  return {
    inserted: sum(({ inserted }) => inserted),
    updated: sum(({ updated }) => updated),
    deleted: sum(({ deleted }) => deleted),
    // Each database of a conflict counts it.
    conflicts: Math.max(0, ...states.map(({ totals }) => totals.conflicts)),
  };
};

const noticeText = ({ database, schema, relation, message }: StoredNotice): string =>
  `${database}${schema === null || relation === null ? '' : ` ${formatRelation({ schema, name: relation })}`}: ${message}`;
