/**
 * What a source has for a database that reads it: per table, how many changes are news, whether others have to be looked at with
 * them, and whether the table was truncated.
 */
import type { DatabaseId, RelationId, SyncId } from '../../model/topology.ts';
import type { Request } from '../../pg/request.ts';
import type { Row } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { type BaseVersion, decodeBase } from './base-version.ts';
import { anyWay, onlyByIndex } from './by-index.ts';
import { type SegmentNumber, segmentNumbers, segmentTable, segmentTables, truncationShape } from './delta.ts';
import { isBrought, isOwnChange, isPassed, type Passing } from './entries.ts';
import { isBeyond, type Snapshot } from './position.ts';
import type { Table } from './table.ts';
import { trueTime } from './true-time.ts';

/** A captured table of the sync on this source. */
export interface SourceTable {
  readonly id: RelationId;
  readonly shape: number;
  readonly table: Table;
}

/** The deltas that a round looks at: those that `since` does not see. */
export interface Window {
  readonly sync: SyncId;
  readonly since: Snapshot;
  readonly passing: Passing;
  /** What the database that reads knows: what it does not, and is sent, is news. */
  readonly known: { readonly position: Snapshot; readonly passing: Passing };
  readonly exceptBy: DatabaseId | null;
}

export interface TableChanges {
  /** How many deltas the window holds. */
  readonly deltaCount: number;
  /** How many of them are news. */
  readonly changeCount: number;
  readonly isNew: boolean;
  /** How many the position does not see and need not be read. */
  readonly skippedCount: number;
  readonly hasRelays: boolean;
  /** Where the deltas are that the window holds. */
  readonly segments: readonly SegmentNumber[];
  readonly truncation: BaseVersion | null;
  /** When the newest change was made of those that the window holds, microseconds since 1970; null for none. */
  readonly newestAtMicros: bigint | null;
}

/** Which of the tables have changes in the window. */
export const changesIn = (
  schema: string,
  tables: readonly SourceTable[],
  window: Window,
): Request<ReadonlyMap<RelationId, TableChanges>> => ({
  statements: [
    onlyByIndex,
    selectTruncations(schema, tables, window).planned(),
    // The planner, which does not know how many deltas there are, would sort them to count them by table.
    sql`set local enable_sort = off`,
    selectCounts(schema, tables, window).planned(),
    sql`set local enable_sort to default`,
    anyWay,
  ],
  read: ([, truncations, , counts]) => decodeChanges(counts?.rows ?? [], truncations?.rows ?? []),
});

/** One row for each table with deltas in the window. */
const selectCounts = (schema: string, tables: readonly SourceTable[], window: Window): Sql => {
  const shapes = [...new Set(tables.map(({ shape }) => shape))];
  return sql`
    select tbl, count(*) as deltas, count(*) filter (where is_news) as news,
           count(*) filter (where is_unread and not is_news) as skipped,
           pg_catalog.bool_or(relay is not null) as has_relays, pg_catalog.bit_or(1 << segment) as segments,
           (extract(epoch from max(at) filter (where is_own)) * 1000000)::bigint as newest_at
      from (${entriesIn(schema, shapes, { tables, window })}) e
     group by tbl`;
};

/** The newest truncation of each table that was truncated in the window. */
const selectTruncations = (schema: string, tables: readonly SourceTable[], window: Window): Sql => sql`
    select distinct on (tbl) tbl, (relay).sync = ${window.sync}::uuid as is_brought, (relay).origin,
           pg_catalog.to_json((relay).path)::text as path,
           case when is_own then xid else (relay).oxid end as xid, at::text, seq,
           pg_catalog.bool_or(is_news) over (partition by tbl) as is_news
      from (${entriesIn(schema, [truncationShape], { tables, window })}) e
     where is_own or is_sent
     order by tbl, seq desc`;

/** The tables that applications have truncated since the snapshot was taken, as `tbl`. */
export const selectLaterTruncations = (
  schema: string,
  { sync, snapshot }: { readonly sync: SyncId; readonly snapshot: Snapshot },
): Sql => {
  const rows = segmentTables(schema, truncationShape).map(
    (segment) =>
      sql`select tbl from ${segment} where ${isBeyond(sql`xid`, snapshot)} and ${isOwnChange(sync)}`,
  );
  return sql.join(rows, ' union all ');
};

/** What is asked of an entry is said once for all segments: each time that it is said costs more than most windows hold. */
const entriesIn = (
  schema: string,
  shapes: readonly number[],
  { tables, window }: { readonly tables: readonly SourceTable[]; readonly window: Window },
): Sql => {
  const { sync, since, passing, known, exceptBy } = window;
  const deltas = shapes.flatMap((shape) =>
    segmentNumbers.map(
      (segment) =>
        sql`select tbl, xid, seq, at, relay, ${sql.literal(segment)}::integer as segment from ${segmentTable(schema, shape, segment)}`,
    ),
  );
  const isSent = (to: Passing): Sql => sql`(${isBrought(sync)} and ${isPassed(to)})`;
  return sql`
    select tbl, xid, seq, relay, segment, is_own, is_unread, is_sent, is_owed, is_unread and (is_own or is_owed) as is_news,
           case when is_own then ${trueTime(schema, { seq: sql`seq`, at: sql`at` })} else at end as at
      from (select tbl, xid, seq, at, relay, segment, ${isOwnChange(sync, exceptBy)} as is_own,
                   ${isBeyond(sql`xid`, known.position)} as is_unread, ${isSent(passing)} as is_sent, ${isSent(known.passing)} as is_owed
              from (${sql.join(deltas, ' union all ')}) d
             where ${isBeyond(sql`xid`, since)} and tbl = any (${idsOf(tables)}::integer[])
               and (${isOwnChange(sync)} or ${isBrought(sync)})) c`;
};

const knownIds = new WeakMap<readonly SourceTable[], string>();

/** As an array, made once for a list that serves many rounds. */
const idsOf = (tables: readonly SourceTable[]): string => {
  const ids = knownIds.get(tables) ?? `{${tables.map(({ id }) => id).join()}}`;
  knownIds.set(tables, ids);
  return ids;
};

const decodeChanges = (
  counts: readonly Row[],
  truncations: readonly Row[],
): Map<RelationId, TableChanges> => {
  const truncated = new Map(truncations.map((row) => [Number(row['tbl']) as RelationId, row]));
  const counted = new Map(counts.map((row) => [Number(row['tbl']) as RelationId, row]));
  const changed = new Set([...counted.keys(), ...truncated.keys()]);
  return new Map([...changed].map((id) => [id, tableChangesOf(counted.get(id), truncated.get(id))]));
};

/** @param bits one for each segment; null: there are no deltas, so it does not matter where they are looked for */
const segmentsOf = (bits: string | null): readonly SegmentNumber[] =>
  bits === null ? segmentNumbers : segmentNumbers.filter((segment) => (Number(bits) & (1 << segment)) !== 0);

const tableChangesOf = (count: Row | undefined, truncation: Row | undefined): TableChanges => {
  const changeCount = Number(count?.['news'] ?? 0);
  const newestAt = count?.['newest_at'] ?? null;
  return {
    deltaCount: Number(count?.['deltas'] ?? 0),
    changeCount,
    isNew: changeCount > 0 || truncation?.['is_news'] === 't',
    skippedCount: Number(count?.['skipped'] ?? 0),
    hasRelays: count?.['has_relays'] === 't',
    segments: segmentsOf(count?.['segments'] ?? null),
    truncation: truncation === undefined ? null : decodeBase(truncation),
    newestAtMicros: newestAt === null ? null : BigInt(newestAt),
  };
};
