/**
 * Who reads the deltas of a database, and how far it has read them: what is not acknowledged is kept.
 *
 * `acked` may trail behind the true position, which is on the database that was written; it never runs ahead of it.
 * `floor` is what was acknowledged when deltas of the consumer were last discarded: a position before it (of a database
 * that was restored from a backup) cannot be served any more.
 */
import type { DatabaseId, RelationId, SyncId } from '../../model/topology.ts';
import type { Row, Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { isServed, retainPositions, type Snapshot } from './position.ts';

export interface Consumer {
  readonly sync: SyncId;
  /** The database that is written. */
  readonly database: DatabaseId;
}

export interface Registered {
  readonly isNew: boolean;
  /** From here on everything is there for it, if it has acknowledged nothing yet; else null. */
  readonly untouchedSince: Snapshot | null;
}

/**
 * From now on, or with other tables. What is kept for other consumers of the sync is kept for a new one too: a copy of one of them takes
 * over its position, which is older than now.
 */
export const registerConsumer = async (
  session: Session,
  {
    schema,
    consumer,
    tables,
  }: { readonly schema: string; readonly consumer: Consumer; readonly tables: readonly RelationId[] },
): Promise<Registered> => {
  const [row] = await session.query(sql`
    insert into ${sql.id(schema, 'consumer')} as c (sync, database, tables, began, acked, floor)
    select ${consumer.sync}::uuid, ${consumer.database}::int, ${tables}::int[], since, since, since
      from (select coalesce((${earliestAcknowledged(schema, consumer.sync)}), pg_current_snapshot()) as since) s
        on conflict (sync, database) do update set tables = excluded.tables
    returning c.xmax::text = '0' as is_new, case when c.acked::text = c.began::text then c.began end as untouched_since`);
  return { isNew: row?.['is_new'] === 't', untouchedSince: row?.['untouched_since'] ?? null };
};

const earliestAcknowledged = (schema: string, sync: SyncId): Sql => sql`
  select o.acked
    from ${sql.id(schema, 'consumer')} o
   where o.sync = ${sync}::uuid
   order by pg_snapshot_xmax(o.acked), (select count(*) from pg_snapshot_xip(o.acked)) desc
   limit 1`;

/**
 * What the consumer has durably applied. Called now and then, not for each round: an update leaves a dead row behind
 * for as long as the oldest transaction of the database is open.
 *
 * Each time that something has moved the incarnation of the database rises with it. So a database that is set back to an
 * earlier state is known by a lower incarnation than its readers have seen, also when its transaction ids have caught up
 * in the meantime (engine rule §2); and a position from before that is not believed here.
 */
export const acknowledge = (
  schema: string,
  consumer: Consumer,
  { snapshot, incarnation }: { readonly snapshot: Snapshot; readonly incarnation: bigint },
): Sql => sql`
  with moved as (
    update ${sql.id(schema, 'consumer')}
       set acked = ${snapshot}::pg_snapshot, acked_at = now(),
           released = released and (pg_snapshot_xmax(floor) > pg_snapshot_xmax(${snapshot}::pg_snapshot)
                                    or pg_snapshot_xmin(floor) > pg_snapshot_xmin(${snapshot}::pg_snapshot))
     where sync = ${consumer.sync}::uuid and database = ${consumer.database}::int
       and pg_snapshot_xmax(acked) <= pg_snapshot_xmax(${snapshot}::pg_snapshot)
       and pg_snapshot_xmin(acked) <= pg_snapshot_xmin(${snapshot}::pg_snapshot)
       and acked::text <> ${snapshot}::text
       and (select i.incarnation from ${sql.id(schema, 'identity')} i) >= ${incarnation}::bigint
    returning sync)
  update ${sql.id(schema, 'identity')} set incarnation = incarnation + 1, made_by = pg_current_xact_id()
   where exists (select from moved)`;

export const removeConsumer = (schema: string, consumer: Consumer): Sql => sql`
  delete from ${sql.id(schema, 'consumer')}
   where sync = ${consumer.sync}::uuid and database = ${consumer.database}::int`;

/** Removes the consumers of the sync, but for those that write these databases. */
export const retainConsumers = (schema: string, sync: SyncId, databases: readonly DatabaseId[]): Sql => sql`
  delete from ${sql.id(schema, 'consumer')}
   where sync = ${sync}::uuid and database <> all (${databases}::int[])`;

/** The tables that are captured for nobody. */
export const readUnusedCapture = async (session: Session, schema: string): Promise<RelationId[]> => {
  const rows = await session.query(sql`
    select t.tbl from ${sql.id(schema, 'captured')} t
     where not exists (select from ${sql.id(schema, 'consumer')} c where t.tbl = any (c.tables))
     order by t.tbl`);
  return rows.map((row) => Number(row['tbl']) as RelationId);
};

/** The snapshots before which positions cannot be served, for each consumer of the sync that is registered. */
export const selectFloors = (schema: string, sync: SyncId): Sql => sql`
  select c.database, c.floor::text as consumer_floor, c.released,
         (select f.pos::text from ${sql.id(schema, 'floor')} f order by f.seq desc limit 1) as database_floor
    from ${sql.id(schema, 'consumer')} c
   where c.sync = ${sync}::uuid`;

/** The databases for which nothing is kept any more. */
export const decodeReleased = (rows: readonly Row[]): ReadonlySet<DatabaseId> =>
  new Set(rows.flatMap((row) => (row['released'] === 't' ? [Number(row['database']) as DatabaseId] : [])));

/** By the database that is written. */
export const decodeFloors = (rows: readonly Row[]): ReadonlyMap<DatabaseId, readonly Snapshot[]> =>
  new Map(
    rows.map((row) => [
      Number(row['database']) as DatabaseId,
      [row['consumer_floor'], row['database_floor']].filter((floor) => typeof floor === 'string'),
    ]),
  );

/**
 * False when changes after the position may have been discarded: a gap, which only another copy closes (engine rule §22).
 * @param floors of its consumer; undefined when it is not registered
 */
export const canServe = (position: Snapshot, floors: readonly Snapshot[] | undefined): boolean =>
  floors !== undefined && floors.every((floor) => isServed(position, floor));

/** Forgets a sync on this database, whatever role it had here. */
export const forgetSync = (schema: string, sync: SyncId): Sql[] => [
  retainConsumers(schema, sync, []),
  retainPositions(schema, sync, []),
  sql`delete from ${sql.id(schema, 'conflict')} where sync = ${sync}::uuid`,
];
