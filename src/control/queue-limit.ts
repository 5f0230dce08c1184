/** The columns `queue_…` of `sync` and `db`: how much may wait on a source for a database that does not read it. */
import type { DatabaseId, SyncId } from '../model/topology.ts';
import { sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { integer, integerAs, nullable, row, text, textAs } from './row.ts';
import { assignments } from './update.ts';

/** `release`: what is kept for the database is given up, and it is copied to when it is back. */
export const queuePolicies = ['warn', 'release', 'keep'] as const;
export type QueuePolicy = (typeof queuePolicies)[number];

/** Null: no limit. */
export interface QueueLimit {
  readonly bytes: number | null;
  /** Of the oldest change that waits. */
  readonly ageMs: number | null;
}

/** What is left out stays as it is. */
export interface QueueChanges {
  readonly limit?: QueueLimit;
  /** Null: as it is where nothing is said. */
  readonly policy?: QueuePolicy | null;
}

export type QueueOwner = { readonly sync: SyncId } | { readonly database: DatabaseId };

export const setQueueLimit = async (
  db: Db,
  owner: QueueOwner,
  { limit, policy }: QueueChanges,
): Promise<void> => {
  const set = assignments({
    queue_limit_bytes: limit === undefined ? null : sql`${limit.bytes}::bigint`,
    queue_limit_ms: limit === undefined ? null : sql`${limit.ageMs}::bigint`,
    queue_policy: policy === undefined ? null : sql`${policy}::text`,
  });
  if (set === null) return;
  // What was told by the limit from before is told again if it still holds.
  const isTold = sql`code = 'queue_over_limit'`;
  if ('sync' in owner) {
    await db.run(sql`update sync set ${set} where id = ${owner.sync}::uuid`);
    await db.run(sql`delete from notice where ${isTold} and sync = ${owner.sync}::uuid`);
  } else {
    await db.run(sql`update db set ${set} where id = ${owner.database}::integer`);
    await db.run(sql`delete from notice where ${isTold} and db = ${owner.database}::integer`);
  }
};

const ownRow = row({
  id: text,
  bytes: nullable(integer),
  ageMs: nullable(integer),
  policy: nullable(textAs<QueuePolicy>()),
});

/** What was said of one sync, or of one database. */
export interface OwnQueueLimit {
  readonly limit: QueueLimit;
  /** Null: nothing was said. */
  readonly policy: QueuePolicy | null;
}

/** Of all syncs, or of all databases; keyed by their ids as text. */
export const loadOwnQueueLimits = async (
  db: Db,
  of: 'sync' | 'db',
): Promise<ReadonlyMap<string, OwnQueueLimit>> => {
  const rows = await db.many(
    ownRow,
    sql`
      select id::text, queue_limit_bytes as bytes, queue_limit_ms as "ageMs", queue_policy as policy
        from ${sql.id(of)}
    `,
  );
  return new Map(rows.map(({ id, bytes, ageMs, policy }) => [id, { limit: { bytes, ageMs }, policy }]));
};

/** For a reader of a sync. */
const placedRow = row({
  syncId: textAs<SyncId>(),
  databaseId: integerAs<DatabaseId>(),
  bytes: nullable(integer),
  ageMs: nullable(integer),
  policy: textAs<QueuePolicy>(),
});

export type PlacedQueueLimit = ReturnType<typeof placedRow>;

/** Those that limit something. */
export const loadQueueLimits = (db: Db): Promise<PlacedQueueLimit[]> =>
  db.many(
    placedRow,
    sql`
      select *
        from (select s.id as "syncId", d.id as "databaseId",
                     coalesce(d.queue_limit_bytes, s.queue_limit_bytes) as bytes,
                     coalesce(d.queue_limit_ms, s.queue_limit_ms) as "ageMs",
                     coalesce(d.queue_policy, s.queue_policy, 'warn') as policy
                from sync s
                join dbgroup_member m on m.dbgroup = s.dbgroup
                join db d on d.id = m.db
               where m.role <> 'fullcopy') l
       where l.bytes is not null or l."ageMs" is not null
       order by "syncId", "databaseId"
    `,
  );
