/**
 * Table `sync`: what is replicated between whom, and how. Written by commands; the engine reads it through
 * `sync-definition.ts`. A sync that is removed and added again has another id, and starts afresh.
 */
import type {
  ActiveStatus,
  DeleteMethod,
  OneTimeCopy,
  SequenceMode,
  SyncDefinition,
  SyncId,
} from '../model/topology.ts';
import { type Sql, sql } from '../pg/sql.ts';
import { requestCopies, withdrawCopy } from './copy-request.ts';
import type { Db } from './db.ts';
import { dbGroupId } from './dbgroup.ts';
import { alreadyExists, checkName } from './name.ts';
import { clearTableNotices } from './notice.ts';
import { relGroupId } from './relgroup.ts';
import { row, textAs } from './row.ts';
import { findSyncDefinition, loadSyncDefinition } from './sync-definition.ts';
import { assignments } from './update.ts';

export interface NewSync {
  readonly name: string;
  readonly relgroup: string;
  readonly dbgroup: string;
  readonly status: ActiveStatus;
  readonly conflictStrategy: string;
  readonly sequence: SequenceMode;
  readonly autokick: boolean;
  readonly checktimeMs: number | null;
  readonly cron: string | null;
  readonly overdueMs: number | null;
  readonly expiredMs: number | null;
  /** 1 and 2 ask for a copy at once. */
  readonly onetimecopy: OneTimeCopy;
  readonly analyzeAfterCopy: boolean;
  readonly vacuumAfterCopy: boolean;
  readonly rebuildIndex: boolean;
  readonly strictChecking: boolean;
  readonly deleteMethod: DeleteMethod;
}

/** What is left out stays as it is. */
export type SyncChanges = Partial<Omit<NewSync, 'name'> & { readonly isPaused: boolean }>;

/** @throws ReplicationError `name_invalid`, `already_exists`; `not_found` for the groups */
export const addSync = async (db: Db, added: NewSync): Promise<SyncDefinition> => {
  checkName('sync', added.name);
  const existing = await findSyncDefinition(db, added.name);
  if (existing !== null) throw alreadyExists('sync', existing.name);
  const relgroup = await relGroupId(db, added.relgroup);
  const dbgroup = await dbGroupId(db, added.dbgroup);
  await db.run(sql`
    insert into sync (name, relgroup, dbgroup, status, conflict_strategy, sequence, autokick, checktime_ms, overdue_ms,
                      expired_ms, onetimecopy, copy_generation, analyze_after_copy, vacuum_after_copy, delete_method, cron, cron_since,
                      rebuild_index, strict_checking)
    values (
      ${added.name}::text, ${relgroup}::integer, ${dbgroup}::integer, ${added.status}::text,
      ${added.conflictStrategy}::text, ${added.sequence}::text, ${added.autokick}::boolean, ${added.checktimeMs}::bigint,
      ${added.overdueMs}::bigint, ${added.expiredMs}::bigint,
      ${added.onetimecopy}::smallint, 0,
      ${added.analyzeAfterCopy}::boolean, ${added.vacuumAfterCopy}::boolean,
      ${added.deleteMethod}::text, ${added.cron}::text, ${sinceNow(added.cron)},
      ${added.rebuildIndex}::boolean, ${added.strictChecking}::boolean
    )
  `);
  const { id } = await loadSyncDefinition(db, added.name);
  await requestWholeCopy(db, id, added.onetimecopy);
  return loadSyncDefinition(db, added.name);
};

const requestWholeCopy = async (
  db: Db,
  sync: SyncId,
  onetimecopy: OneTimeCopy | undefined,
): Promise<void> => {
  if (onetimecopy === undefined || onetimecopy === 0) return;
  const mode = onetimecopy === 1 ? 'replace' : 'fill';
  await requestCopies(db, sync, [{ database: null, relation: null, mode }]);
};

/**
 * `onetimecopy` 1 or 2 asks for a copy, each time that it is given: `copyGeneration` rises, and a pause ends.
 * @throws ReplicationError `not_found` for the sync or its groups
 */
export const updateSync = async (db: Db, name: string, changes: SyncChanges): Promise<SyncDefinition> => {
  const before = await loadSyncDefinition(db, name);
  const set = assignments({ ...(await groupChanges(db, changes)), ...ownChanges(changes) });
  if (set !== null) await db.run(sql`update sync set ${set} where id = ${before.id}::uuid`);
  await requestWholeCopy(db, before.id, changes.onetimecopy);
  if (changes.onetimecopy === 0) await withdrawCopy(db, before.id);
  if (changes.onetimecopy === 1) await clearTableNotices(db, before.id);
  return loadSyncDefinition(db, name);
};

const groupChanges = async (db: Db, changes: SyncChanges): Promise<Record<string, Sql | null>> => ({
  relgroup: changes.relgroup === undefined ? null : sql`${await relGroupId(db, changes.relgroup)}::integer`,
  dbgroup: changes.dbgroup === undefined ? null : sql`${await dbGroupId(db, changes.dbgroup)}::integer`,
});

const ownChanges = (changes: SyncChanges): Record<string, Sql | null> => ({
  status: changes.status === undefined ? null : sql`${changes.status}::text`,
  is_paused: isPausedBy(changes),
  conflict_strategy: changes.conflictStrategy === undefined ? null : sql`${changes.conflictStrategy}::text`,
  sequence: changes.sequence === undefined ? null : sql`${changes.sequence}::text`,
  autokick: booleanOf(changes.autokick),
  checktime_ms: changes.checktimeMs === undefined ? null : sql`${changes.checktimeMs}::bigint`,
  overdue_ms: changes.overdueMs === undefined ? null : sql`${changes.overdueMs}::bigint`,
  expired_ms: changes.expiredMs === undefined ? null : sql`${changes.expiredMs}::bigint`,
  analyze_after_copy: booleanOf(changes.analyzeAfterCopy),
  vacuum_after_copy: booleanOf(changes.vacuumAfterCopy),
  rebuild_index: booleanOf(changes.rebuildIndex),
  strict_checking: booleanOf(changes.strictChecking),
  delete_method: changes.deleteMethod === undefined ? null : sql`${changes.deleteMethod}::text`,
  cron: changes.cron === undefined ? null : sql`${changes.cron}::text`,
  cron_since: changes.cron === undefined ? null : sinceNow(changes.cron),
  onetimecopy: changes.onetimecopy === undefined ? null : sql`${changes.onetimecopy}::smallint`,
});

const booleanOf = (value: boolean | undefined): Sql | null =>
  value === undefined ? null : sql`${value}::boolean`;

const sinceNow = (cron: string | null): Sql => sql`case when ${cron}::text is not null then now() end`;

/** Who asks for a copy has decided what a sync may have been waiting for. */
const isPausedBy = ({ isPaused, onetimecopy }: SyncChanges): Sql | null => {
  if (isPaused !== undefined) return sql`${isPaused}::boolean`;
  return onetimecopy === undefined || onetimecopy === 0 ? null : sql`false`;
};

/** Stops the sync until it is resumed, on behalf of the daemon. */
export const pauseSync = (db: Db, id: SyncId): Promise<void> =>
  db.run(sql`update sync set is_paused = true where id = ${id}::uuid`);

/**
 * Removes the sync with its state, history, kicks and notices. Its groups and its conflict log stay.
 * @throws ReplicationError `not_found`
 */
export const removeSync = async (db: Db, name: string): Promise<SyncDefinition> => {
  const removed = await loadSyncDefinition(db, name);
  const syncId = row({ id: textAs<SyncId>() });
  const { id } = await db.one(syncId, sql`delete from sync where id = ${removed.id}::uuid returning id`);
  await db.run(sql`delete from sync_state where sync = ${id}::uuid`);
  await db.run(sql`delete from round where sync = ${id}::uuid`);
  await db.run(sql`delete from notice where sync = ${id}::uuid`);
  await db.run(sql`delete from seen_table where sync = ${id}::uuid`);
  return removed;
};
