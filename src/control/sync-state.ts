/**
 * Table `sync_state`: what each sync does on each of its databases, as the daemon that works on it last said. Facts only;
 * whether something is healthy is for the reader to say. They are of use only while somebody holds the lease of the sync.
 *
 * The table has no foreign keys: a daemon must never wait for a command that is about to remove a sync.
 */
import type { DatabaseId, DatabaseName, SyncId } from '../model/topology.ts';
import { type Sql, sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import type { DaemonId } from './lease.ts';
import { decimal, type EpochMs, integer, integerAs, nullable, row, text, textAs, timestamp } from './row.ts';

/**
 * `starting`: not heard of yet. `idle`: in step, waits for changes. `running`: a round. `copying`: the initial copy.
 * `waiting`: for what `waitingFor` says. `retrying`: failed, tries again at `retryAt`. `stopped`: failed, needs a
 * person; `lastError` says why. `paused`, `inactive`: by command.
 */
const workStates = [
  'starting',
  'idle',
  'running',
  'copying',
  'waiting',
  'retrying',
  'stopped',
  'paused',
  'inactive',
] as const;
export type WorkState = (typeof workStates)[number];

export interface LastError {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

interface CopyProgress {
  readonly tablesDone: number;
  readonly tablesTotal: number;
  readonly bytesDone: number;
}

/** Since the sync was added. */
export interface Totals {
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  readonly conflicts: number;
}

export interface SyncState {
  readonly syncId: SyncId;
  readonly databaseId: DatabaseId;
  readonly state: WorkState;
  /** For people: `database B`, `a lock on public.orders`. */
  readonly waitingFor: string | null;
  /** When `state` was entered. */
  readonly since: EpochMs;
  readonly retryAt: EpochMs | null;
  readonly lastError: LastError | null;
  readonly lastGoodAt: EpochMs | null;
  /** How long the last good round took. */
  readonly lastGoodMs: number | null;
  readonly lastBadAt: EpochMs | null;
  readonly rowsBehind: number | null;
  readonly secondsBehind: number | null;
  readonly copy: CopyProgress | null;
}

/** As stored, with the names. */
export interface StoredSyncState extends SyncState {
  readonly totals: Totals;
  readonly sync: string;
  readonly database: DatabaseName;
  readonly updatedAt: EpochMs;
}

/**
 * All in one statement. A state that says the same as before is not written again, so an idle installation writes
 * nothing; what is written stays on its page (fillfactor) without touching an index.
 *
 * Those of syncs that another daemon has taken are passed over: they are out of date.
 */
export const writeSyncStates = (
  db: Db,
  { daemon, states }: { readonly daemon: DaemonId; readonly states: readonly SyncState[] },
): Promise<void> =>
  db.run(sql`
    insert into sync_state as known (
      sync, db, state, waiting_for, since, retry_at, error_code, error_message, error_hint,
      last_good_at, last_good_ms, last_bad_at, rows_behind, seconds_behind,
      copy_tables_done, copy_tables_total, copy_bytes_done
    )
    select n.sync, n.db, n.state, n.waiting_for, n.since, n.retry_at, n.error_code, n.error_message, n.error_hint,
           n.last_good_at, n.last_good_ms, n.last_bad_at, n.rows_behind, n.seconds_behind,
           n.copy_tables_done, n.copy_tables_total, n.copy_bytes_done
      from jsonb_populate_recordset(null::sync_state, ${JSON.stringify(states.map((state) => flat(state)))}::jsonb) n
      join lease l on l.sync = n.sync and l.daemon = ${daemon}::uuid
        on conflict (sync, db) do update set ${overwrite}
  `);

/** What rounds have done, to be added to what is known. It is true whoever works on the sync now. */
export interface Increase extends Totals {
  readonly syncId: SyncId;
  readonly databaseId: DatabaseId;
}

/** All in one statement; each place once. */
export const addTotals = (db: Db, increases: readonly Increase[]): Promise<void> =>
  db.run(sql`
    update sync_state known
       set inserted = known.inserted + more.inserted,
           updated = known.updated + more.updated,
           deleted = known.deleted + more.deleted,
           conflicts = known.conflicts + more.conflicts
      from jsonb_to_recordset(${JSON.stringify(increases)}::jsonb) as more (
             "syncId" uuid, "databaseId" integer, inserted bigint, updated bigint, deleted bigint, conflicts bigint)
     where known.sync = more."syncId" and known.db = more."databaseId"
  `);

const stateColumns = [
  'state',
  'waiting_for',
  'since',
  'retry_at',
  'error_code',
  'error_message',
  'error_hint',
  'last_good_at',
  'last_good_ms',
  'last_bad_at',
  'rows_behind',
  'seconds_behind',
  'copy_tables_done',
  'copy_tables_total',
  'copy_bytes_done',
] as const;

const listOf = (table: string): Sql => sql.join(stateColumns.map((column) => sql.id(table, column)));

const overwrite: Sql = sql`
  ${sql.join(stateColumns.map((column) => sql`${sql.id(column)} = ${sql.id('excluded', column)}`))},
  updated_at = clock_timestamp()
  where (${listOf('known')}) is distinct from (${listOf('excluded')})
`;

type StateColumn = 'sync' | 'db' | (typeof stateColumns)[number];

const flat = (state: SyncState): Record<StateColumn, string | number | null> => ({
  sync: state.syncId,
  db: state.databaseId,
  state: state.state,
  waiting_for: state.waitingFor,
  since: isoTime(state.since),
  retry_at: isoTime(state.retryAt),
  error_code: state.lastError?.code ?? null,
  error_message: state.lastError?.message ?? null,
  error_hint: state.lastError?.hint ?? null,
  last_good_at: isoTime(state.lastGoodAt),
  last_good_ms: state.lastGoodMs,
  last_bad_at: isoTime(state.lastBadAt),
  rows_behind: state.rowsBehind,
  seconds_behind: state.secondsBehind,
  copy_tables_done: state.copy?.tablesDone ?? null,
  copy_tables_total: state.copy?.tablesTotal ?? null,
  copy_bytes_done: state.copy?.bytesDone ?? null,
});

const isoTime = (time: EpochMs | null): string | null =>
  time === null ? null : new Date(time).toISOString();

const flatRow = row({
  syncId: textAs<SyncId>(),
  sync: text,
  databaseId: integerAs<DatabaseId>(),
  database: textAs<DatabaseName>(),
  state: textAs<WorkState>(),
  waitingFor: nullable(text),
  since: timestamp,
  retryAt: nullable(timestamp),
  errorCode: nullable(text),
  errorMessage: nullable(text),
  errorHint: nullable(text),
  lastGoodAt: nullable(timestamp),
  lastGoodMs: nullable(integer),
  lastBadAt: nullable(timestamp),
  rowsBehind: nullable(integer),
  secondsBehind: nullable(decimal),
  tablesDone: nullable(integer),
  tablesTotal: nullable(integer),
  bytesDone: nullable(integer),
  inserted: integer,
  updated: integer,
  deleted: integer,
  conflicts: integer,
  updatedAt: timestamp,
});

const stateRow = (source: Parameters<typeof flatRow>[0]): StoredSyncState => {
  const { errorCode, errorMessage, errorHint, tablesDone, tablesTotal, bytesDone, ...flatState } =
    flatRow(source);
  const { inserted, updated, deleted, conflicts, ...rest } = flatState;
  return {
    ...rest,
    lastError:
      errorCode === null ? null : { code: errorCode, message: errorMessage ?? '', hint: errorHint ?? '' },
    copy:
      tablesDone === null ? null : { tablesDone, tablesTotal: tablesTotal ?? 0, bytesDone: bytesDone ?? 0 },
    totals: { inserted, updated, deleted, conflicts },
  };
};

/** Of the databases that are members now, by sync and in the order of the members. */
export const readSyncStates = (db: Db): Promise<StoredSyncState[]> =>
  db.many(
    stateRow,
    sql`
      select t.sync as "syncId", s.name as sync, t.db as "databaseId", d.name as database, t.state,
             t.waiting_for as "waitingFor", t.since, t.retry_at as "retryAt", t.error_code as "errorCode",
             t.error_message as "errorMessage", t.error_hint as "errorHint", t.last_good_at as "lastGoodAt",
             t.last_good_ms as "lastGoodMs", t.last_bad_at as "lastBadAt", t.rows_behind as "rowsBehind",
             t.seconds_behind as "secondsBehind", t.copy_tables_done as "tablesDone",
             t.copy_tables_total as "tablesTotal", t.copy_bytes_done as "bytesDone",
             t.inserted, t.updated, t.deleted, t.conflicts, t.updated_at as "updatedAt"
        from sync_state t
        join sync s on s.id = t.sync
        join dbgroup_member m on m.dbgroup = s.dbgroup and m.db = t.db
        join db d on d.id = t.db
       order by s.name, m.position
    `,
  );
