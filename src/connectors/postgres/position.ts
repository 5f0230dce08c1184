/**
 * Positions: how far a database has applied a source.
 *
 * A position is a snapshot of the source, not a time and not a sequence number: it tells of every transaction
 * whether it was seen, whatever the order of commits (engine rule R1). Snapshots of one source are totally ordered:
 * of two, the later one sees everything that the earlier one saw.
 */
import type { StoredLineage } from './lineage.ts';
import type { DatabaseId, SyncId } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';

/** `xmin:xmax:xip,xip…`, as `pg_current_snapshot()` writes it. */
export type Snapshot = string;

export interface Position {
  readonly source: DatabaseId;
  /** Counts the moves; the next one is the fence. */
  readonly seq: bigint;
  readonly snapshot: Snapshot;
  /** Where the source was: what it must still fit when the position is used again (engine rule §2). */
  readonly lineage: Omit<StoredLineage, 'xmax'>;
  readonly copyGeneration: number;
}

interface SnapshotParts {
  readonly xmax: bigint;
  readonly inProgress: readonly bigint[];
}

export const parseSnapshot = (snapshot: Snapshot): SnapshotParts => {
  const [, xmax = '', list = ''] = snapshot.split(':');
  return { xmax: BigInt(xmax), inProgress: list === '' ? [] : list.split(',').map(BigInt) };
};

/** The earliest of several snapshots of one source. */
export const earliest = (snapshots: readonly [Snapshot, ...Snapshot[]]): Snapshot =>
  snapshots.reduce((first, snapshot) => (isEarlier(snapshot, first) ? snapshot : first));

/** The latest of several snapshots of one source. */
export const latest = (snapshots: readonly [Snapshot, ...Snapshot[]]): Snapshot =>
  snapshots.reduce((last, snapshot) => (isEarlier(last, snapshot) ? snapshot : last));

const isEarlier = (one: Snapshot, other: Snapshot): boolean => {
  const [a, b] = [parseSnapshot(one), parseSnapshot(other)];
  return a.xmax === b.xmax ? a.inProgress.length > b.inProgress.length : a.xmax < b.xmax;
};

/**
 * True when everything from the position on can still be read, all changes that the floor sees having been
 * discarded. What the floor sees, the position must have seen (engine rule §22).
 */
export const isServed = (position: Snapshot, floor: Snapshot): boolean => {
  const [own, discarded] = [parseSnapshot(position), parseSnapshot(floor)];
  const isKept = (xid: bigint): boolean => xid >= discarded.xmax || discarded.inProgress.includes(xid);
  return own.xmax >= discarded.xmax && own.inProgress.every(isKept);
};

/** True for transactions that the snapshot does not see; a condition that the index on `xid` serves. */
export const isBeyond = (xid: Sql, snapshot: Snapshot): Sql => {
  const { xmax, inProgress } = parseSnapshot(snapshot);
  if (inProgress.length === 0) return sql`${xid} >= ${xmax}::pg_catalog.xid8`;
  return sql`(${xid} >= ${xmax}::pg_catalog.xid8 or ${xid} = any (${inProgress}::pg_catalog.xid8[]))`;
};

/**
 * The newest position of each source that this database has read for the sync. From one source to the next by the index, newest
 * first: rows that were deleted stay in it for as long as the oldest transaction is open, and none of them is passed.
 */
export const selectPositions = (schema: string, sync: SyncId): Sql => {
  const newestOf = (condition: Sql): Sql => sql`
      select p.* from ${sql.id(schema, 'position')} p
       where p.sync = ${sync}::uuid ${condition}
       order by p.source desc, p.seq desc
       limit 1`;
  return sql`
    with recursive newest as (
      (${newestOf(sql.empty)})
      union all
      select following.*
        from newest n
       cross join lateral (${newestOf(sql`and p.source < n.source`)}) following
    )
    select source, seq, pos::text as snapshot, system_identifier::text, timeline, database_oid::text,
           incarnation, lsn, started_at, copy_generation
      from newest`;
};

type PositionRow = Readonly<Record<string, string | null>>;

export const decodePosition = (row: PositionRow): Position => ({
  source: Number(row['source']) as DatabaseId,
  seq: BigInt(row['seq'] ?? ''),
  snapshot: row['snapshot'] ?? '',
  lineage: {
    systemIdentifier: row['system_identifier'] ?? '',
    timeline: Number(row['timeline']),
    databaseOid: row['database_oid'] ?? '',
    incarnation: BigInt(row['incarnation'] ?? ''),
    lsn: row['lsn'] ?? '',
    startedAt: row['started_at'] ?? '',
  },
  copyGeneration: Number(row['copy_generation']),
});

export const readPositions = async (session: Session, schema: string, sync: SyncId): Promise<Position[]> =>
  (await session.query(selectPositions(schema, sync))).map(decodePosition);

/** A database begins to read a source. */
export const beginPosition = (schema: string, sync: SyncId, position: Position): Sql => sql`
  insert into ${sql.id(schema, 'position')} (${columns})
  values (${valuesOf(sync, position)})`;

/** A step of a database in a source. */
export interface PositionMove {
  readonly from: Position;
  /** Its `seq` is the next one. */
  readonly to: Position;
}

/**
 * Moves a position: the fence of invariant 7. Of two workers at the same step the second waits for the first and then fails
 * on the primary key. One that comes so late that its step has been removed again finds that the position from which it
 * read is not there any more, and inserts nothing; the lock keeps it there until this transaction ends, and with it
 * every later step. Each move removes the last but one, so there are never more than two. It is removed by its number: a range
 * would pass all that were removed before (engine rule §21).
 */
export const movePosition = (schema: string, sync: SyncId, { from, to }: PositionMove): [Sql, Sql] => [
  sql`
  insert into ${sql.id(schema, 'position')} (${columns})
  select ${valuesOf(sync, to)}
    from (
      select from ${sql.id(schema, 'position')}
       where sync = ${sync}::uuid and source = ${from.source}::integer and seq = ${from.seq}::bigint
         and pos::text = ${from.snapshot}
         for key share
    ) predecessor`,
  sql`
  delete from ${sql.id(schema, 'position')}
   where sync = ${sync}::uuid and source = ${to.source}::integer and seq = ${from.seq}::bigint - 1`,
];

const columns = sql`
  sync, source, seq, pos, system_identifier, timeline, database_oid, incarnation, lsn, started_at, copy_generation`;

const valuesOf = (sync: SyncId, { source, seq, snapshot, lineage, copyGeneration }: Position): Sql => sql`
  ${sync}::uuid, ${source}::integer, ${seq}::bigint, ${snapshot}::pg_snapshot,
  ${lineage.systemIdentifier}::numeric, ${lineage.timeline}::integer, ${lineage.databaseOid}::oid,
  ${lineage.incarnation}::bigint, ${lineage.lsn}::pg_lsn, ${lineage.startedAt}::timestamptz,
  ${copyGeneration}::integer`;

/** Forgets how far the sync has come on this database, but for these sources. */
export const retainPositions = (schema: string, sync: SyncId, sources: readonly DatabaseId[]): Sql => sql`
  delete from ${sql.id(schema, 'position')}
   where sync = ${sync}::uuid and source <> all (${sources}::integer[])`;

/** The position of somebody who has read everything that is committed now. */
export const takeSnapshot = async (session: Session): Promise<Snapshot> => {
  const [row] = await session.query(sql`select pg_current_snapshot()::text as snapshot`);
  return row?.['snapshot'] as Snapshot;
};
