/** `status` for programs: the words are those of the text, times are ISO 8601. Pure. */
import type { StoredRound } from '../../control/round.ts';
import type { DaemonReport, DatabaseReport, StatusReport, SyncReport } from './report.ts';

export const reportJson = ({ daemons, isHealthy, syncs }: StatusReport) => ({
  isHealthy,
  daemons: daemons.map(daemonJson),
  syncs: syncs.map(syncJson),
});

const daemonJson = (daemon: DaemonReport) => ({
  host: daemon.host,
  pid: daemon.pid,
  version: daemon.version,
  log: daemon.logDestination,
  startedAt: iso(daemon.startedAt),
  isStopRequested: daemon.isStopRequested,
  syncCount: daemon.syncCount,
});

const syncJson = ({
  sync,
  daemon,
  condition,
  databases,
  lastGoodAt,
  lastBadAt,
  rounds,
  clocks,
  ...report
}: SyncReport) => ({
  name: sync.name,
  daemon: daemon === null ? null : { host: daemon.host, pid: daemon.pid },
  state: condition,
  status: sync.status,
  isPaused: sync.isPaused,
  relgroup: sync.relgroup,
  dbgroup: sync.dbgroup,
  conflictStrategy: sync.conflictStrategy,
  ...report,
  lastGoodAt: iso(lastGoodAt),
  lastBadAt: iso(lastBadAt),
  databases: databases.map(databaseJson),
  clocks: clocks.map(({ measuredAt, ...clock }) => ({ ...clock, measuredAt: iso(measuredAt) })),
  rounds: rounds.map(roundJson),
});

const databaseJson = ({ name, role, copiedFrom, state }: DatabaseReport) =>
  state === null
    ? { name, role, copiedFrom, state: null }
    : {
        name,
        role,
        copiedFrom,
        state: state.condition,
        since: iso(state.since),
        waitingFor: state.waitingFor,
        retryAt: iso(state.retryAt),
        lastError: state.lastError,
        lastGoodAt: iso(state.lastGoodAt),
        lastGoodMs: state.lastGoodMs,
        lastBadAt: iso(state.lastBadAt),
        rowsBehind: state.rowsBehind,
        secondsBehind: state.secondsBehind,
        copy: state.copy,
        totals: state.totals,
        updatedAt: iso(state.updatedAt),
      };

const roundJson = ({
  database,
  startedAt,
  endedAt,
  outcome,
  errorCode,
  errorMessage,
  ...round
}: StoredRound) => ({
  database,
  startedAt: iso(startedAt),
  endedAt: iso(endedAt),
  outcome,
  inserted: round.inserted,
  updated: round.updated,
  deleted: round.deleted,
  conflicts: round.conflicts,
  errorCode,
  errorMessage,
});

const iso = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());
