/**
 * Deltas as queries: which keys of a table have changed, and in which version a database holds them.
 *
 * For a sync, a delta of a database is one of three things. An own change: an application made it, or another sync brought it
 * and it cascades (makedelta). A version that this sync has brought: it hides the own changes that were seen when it was
 * decided, and an own change that came later counts again (engine rule §7). Or nothing: what other syncs brought.
 *
 * Own changes go to whoever has not seen them. A brought version goes on only where it can be missed: when its origin is away and
 * some reader may not know it, or when it was chosen in a conflict, because readers may have met the versions that lost.
 */
import type { DatabaseId, RelationId, SyncId } from '../../model/topology.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { type SegmentNumber, segmentTables } from './delta.ts';
import { isBeyond, type Snapshot } from './position.ts';
import { deltaColumn, keyValue, type TableKey } from './table.ts';
import { trueTime } from './true-time.ts';

/** By source: how far it has been read. That of a source itself ends with its snapshot. */
export type Knowledge = ReadonlyMap<DatabaseId, Snapshot>;

/** A database that takes part in the round and may know what the holder has. */
export interface Peer {
  readonly id: DatabaseId;
  readonly knows: Knowledge;
}

/** Which brought versions go on. */
export interface Passing {
  /** The database that may pass them on. What it has made, it sends as that. */
  readonly holder: DatabaseId;
  /**
   * By source what nobody misses. Of one that takes part: what is in its snapshot, for it sends that itself; a later version of it may have
   * come here in the meantime. Of one that is away: what all readers know.
   */
  readonly known: Knowledge;
}

export interface EntryScope {
  readonly schema: string;
  readonly sync: SyncId;
  /** The database whose deltas are read. */
  readonly holder: DatabaseId;
  readonly table: RelationId;
  readonly shape: number;
  readonly key: TableKey;
  /** Entries that this snapshot sees are left out. */
  readonly since: Snapshot;
  /** The other sources that are present, and the target that reads. */
  readonly peers: readonly Peer[];
  readonly passing: Passing;
  /** Changes that have come by this database are left out: it is the one that reads. Null: none are. */
  readonly exceptBy: DatabaseId | null;
  /** The window holds deltas that are not an application's. */
  readonly hasRelays: boolean;
  /** Where the deltas are that the window holds. */
  readonly segments: readonly SegmentNumber[];
}

/** The columns of the key as deltas and stages keep it. */
export const keyList = (key: TableKey, alias?: Sql): Sql =>
  sql.join(
    key.columns.map((_, index) =>
      alias === undefined ? deltaColumn(index) : sql`${alias}.${deltaColumn(index)}`,
    ),
  );

/** Two deltas or staged rows, by their aliases, name the same row, by the equality of the key's types. */
export const sameKey = (key: TableKey, one: Sql, other: Sql): Sql =>
  sql.join(
    key.columns.map((column, index) => {
      const value = (alias: Sql): Sql => keyValue(column, sql`${alias}.${deltaColumn(index)}`);
      return sql`${value(one)} ${sql.verbatim(column.equals)} ${value(other)}`;
    }),
    ' and ',
  );

/** What the rows of one key have in common, for grouping and sorting. */
export const keyIdentity = (key: TableKey, alias: Sql): Sql =>
  sql.join(key.columns.map((column, index) => keyValue(column, sql`${alias}.${deltaColumn(index)}`)));

/** A change of the database itself, as this sync sees it. */
export const isOwnChange = (sync: SyncId, exceptBy: DatabaseId | null = null): Sql => {
  const isOfOthers = exceptBy === null ? sql.empty : sql`and ${exceptBy}::integer <> all ((relay).path)`;
  return sql`(relay is null or ((relay).cascades and (relay).sync <> ${sync}::uuid ${isOfOthers}))`;
};

export const isBrought = (sync: SyncId): Sql => sql`(relay).sync = ${sync}::uuid`;

/** True for a brought version that goes on. One of a source that is no member any more does, for nobody says who knows it. */
export const isPassed = ({ holder, known }: Passing): Sql => {
  const cases = [...known].map(
    ([id, snapshot]) => sql`when ${id}::integer then ${isBeyond(sql`(relay).oxid`, snapshot)}`,
  );
  const isMissed = sql`case (relay).origin when ${holder}::integer then false ${sql.join(cases, ' ')} else true end`;
  return sql`((relay).is_verdict or ${isMissed})`;
};

const unionOverSegments = (scope: EntryScope, columns: Sql, condition: Sql): Sql =>
  sql.join(
    segmentTables(scope.schema, scope.shape, scope.segments).map(
      (segment) => sql`
        select ${columns} from ${segment}
         where tbl = ${scope.table}::integer and ${isBeyond(sql`xid`, scope.since)} and ${condition}`,
    ),
    ' union all ',
  );

/** The keys that changed on this database itself, once each: all that a sync with one source needs. */
export const changedKeys = (scope: EntryScope): Sql => {
  const rows = unionOverSegments(scope, keyList(scope.key), ownChanges(scope));
  const isPlain = scope.key.columns.every((column) => column.deltaSuffix === '');
  return isPlain
    ? sql`select distinct ${keyList(scope.key)} from (${rows}) e`
    : sql`select distinct on (${keyIdentity(scope.key, sql`e`)}) ${keyList(scope.key)} from (${rows}) e`;
};

/**
 * The changed keys with the version that the database holds: `k…, origin, oxid, at, path, seq, is_open, knows`.
 * @param wanted `sent`: only keys of which an entry goes on; `all`: whatever is in the window
 */
export const heldVersions = (scope: EntryScope, wanted: 'sent' | 'all'): Sql => {
  const identity = keyIdentity(scope.key, sql`e`);
  const entries = scope.hasRelays ? entriesWithBrought(scope, wanted) : ownEntries(scope);
  return sql`
    select distinct on (${identity}) ${keyList(scope.key, sql`e`)}, e.origin, e.oxid, e.at, e.path, e.seq, e.is_open,
           ${knowers(scope, { origin: sql`e.origin`, oxid: sql`e.oxid`, path: sql`e.path` })} as knows
      from (${entries}) e
     order by ${identity}, e.is_own desc, e.seq desc`;
};

const ownEntries = (scope: EntryScope): Sql => {
  const path = scope.hasRelays
    ? sql`(relay).path || ${scope.holder}::integer`
    : sql`array[${scope.holder}::integer]`;
  return unionOverSegments(
    scope,
    sql`${keyList(scope.key)}, ${scope.holder}::integer as origin, xid as oxid,
        ${trueTime(scope.schema, { seq: sql`seq`, at: sql`at` })} as at, ${path} as path, seq,
        true as is_own, true as is_sent, false as is_open, null::pg_snapshot as decided`,
    ownChanges(scope),
  );
};

const ownChanges = ({ hasRelays, sync, exceptBy }: EntryScope): Sql =>
  hasRelays ? isOwnChange(sync, exceptBy) : sql`relay is null`;

/**
 * Own changes that no brought version hides, and brought versions. Of the snapshots in which rounds decided here each sees
 * what the one before saw, so the newest one tells what is hidden.
 */
const entriesWithBrought = (scope: EntryScope, wanted: 'sent' | 'all'): Sql => {
  const brought = unionOverSegments(
    scope,
    sql`${keyList(scope.key)}, (relay).origin, (relay).oxid, at, (relay).path, seq, false as is_own,
        ${isPassed(scope.passing)} as is_sent, (relay).is_open, (relay).decided`,
    isBrought(scope.sync),
  );
  const key = sql`partition by ${keyIdentity(scope.key, sql`u`)}`;
  return sql`
    select *
      from (select u.*, pg_catalog.bool_or(u.is_sent) over (${key}) as is_wanted,
                   pg_catalog.first_value(u.decided) over (${key} order by u.decided is null, u.seq desc) as newest_decided
              from (${ownEntries(scope)} union all ${brought}) u) a
     where ${wanted === 'all' ? sql`true` : sql`is_wanted`}
       and not (is_own and newest_decided is not null and pg_catalog.pg_visible_in_snapshot(oxid, newest_decided))`;
};

/**
 * The databases that know a version of this one: itself, those whose positions cover it, and those by which it has come here, by
 * whatever syncs. A source that takes part knows of its own versions those in its snapshot.
 */
export const knowers = (
  { holder, peers }: Pick<EntryScope, 'holder' | 'peers'>,
  version: { readonly origin: Sql; readonly oxid: Sql; readonly path: Sql },
): Sql => {
  const known = peers.map(({ id, knows }) => {
    const cases = [...knows].map(
      ([source, snapshot]) =>
        sql`when ${source}::integer then pg_catalog.pg_visible_in_snapshot(${version.oxid}, ${snapshot}::pg_snapshot)`,
    );
    const path = knows.has(id)
      ? sql`pg_catalog.array_remove(${version.path}, ${version.origin})`
      : version.path;
    const isCovered =
      cases.length === 0 ? sql`false` : sql`case ${version.origin} ${sql.join(cases, ' ')} else false end`;
    return sql`case when ${id}::integer = any (${path}) or ${isCovered} then ${id}::integer end`;
  });
  return sql`pg_catalog.array_remove(array[${sql.join([sql`${holder}::integer`, ...known])}], null)`;
};
