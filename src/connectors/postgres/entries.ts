/**
 * Deltas as queries: which keys of a table have changed, and in which version a database holds them.
 *
 * A delta is either an own change of the database (its `origin` is null) or a relayed version: a row that a round
 * wrote over a change of this database that lost a conflict. A relayed version hides the own changes that were
 * seen when it was decided (`decided`); an own change that came later counts again (engine rule §7).
 */
import type { DatabaseId, RelationId, SyncId } from '../../model/topology.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { segmentTables } from './delta.ts';
import { isBeyond, type Snapshot } from './position.ts';
import { deltaColumn, keyValue, type TableKey } from './table.ts';

/** Another source of the sync, and how far it has read this one. */
export interface Peer {
  readonly id: DatabaseId;
  readonly knows: Snapshot;
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
  /** The other sources; empty where a sync has one. */
  readonly peers: readonly Peer[];
  /** Relayed versions exist in the window. */
  readonly hasRelayed: boolean;
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

const unionOverSegments = (scope: EntryScope, columns: Sql, condition: Sql): Sql =>
  sql.join(
    segmentTables(scope.schema, scope.shape).map(
      (segment) => sql`
        select ${columns} from ${segment}
         where tbl = ${scope.table}::integer and ${isBeyond(sql`xid`, scope.since)} and ${condition}`,
    ),
    ' union all ',
  );

/** The keys that this database changed itself, once each: all that a sync with one source needs. */
export const changedKeys = (scope: EntryScope): Sql => {
  const rows = unionOverSegments(scope, keyList(scope.key), sql`origin is null`);
  const isPlain = scope.key.columns.every((column) => column.deltaSuffix === '');
  return isPlain
    ? sql`select distinct ${keyList(scope.key)} from (${rows}) e`
    : sql`select distinct on (${keyIdentity(scope.key, sql`e`)}) ${keyList(scope.key)} from (${rows}) e`;
};

/**
 * The changed keys with the version that the database holds: `k…, origin, oxid, at, knows`. Of several own changes the
 * one that some source does not know stands for the row, so everybody compares by the same one.
 * @param forSource true where a source will read them: it needs own changes only, for a relayed version came from there.
 */
export const heldVersions = (scope: EntryScope, forSource: boolean): Sql => {
  const entries = forSource
    ? ownEntries(scope)
    : sql`${ownEntries(scope)} union all ${relayedEntries(scope)}`;
  const identity = keyIdentity(scope.key, sql`e`);
  const isKnownTo = (peer: Peer): Sql =>
    sql`(e.origin = ${peer.id}::integer or pg_catalog.pg_visible_in_snapshot(e.oxid, ${peer.knows}::pg_snapshot))`;
  const knows = scope.peers.map(
    (peer) =>
      sql`case when pg_catalog.bool_and(${isKnownTo(peer)}) over (partition by ${identity}) then ${peer.id}::integer end`,
  );
  const standing = [
    sql`(e.origin = ${scope.holder}::integer) desc`,
    ...scope.peers.map(isKnownTo),
    sql`e.at desc, e.oxid desc`,
  ];
  return sql`
    select distinct on (${identity}) ${keyList(scope.key, sql`e`)}, e.origin, e.oxid, e.at,
           pg_catalog.array_remove(array[${sql.join([sql`${scope.holder}::integer`, ...knows])}], null) as knows
      from (${entries}) e
     order by ${identity}, ${sql.join(standing)}`;
};

/** Own changes that no relayed version hides. */
const ownEntries = (scope: EntryScope): Sql => {
  const columns = sql`${keyList(scope.key)}, ${scope.holder}::integer as origin, xid as oxid, at`;
  const own = unionOverSegments(scope, columns, sql`origin is null`);
  if (!scope.hasRelayed) return own;
  const decided = unionOverSegments(scope, sql`${keyList(scope.key)}, decided`, ofThisSync(scope));
  return sql`
    select * from (${own}) o
     where not exists (select from (${decided}) r
                        where ${sameKey(scope.key, sql`o`, sql`r`)} and pg_catalog.pg_visible_in_snapshot(o.oxid, r.decided))`;
};

const relayedEntries = (scope: EntryScope): Sql =>
  unionOverSegments(scope, sql`${keyList(scope.key)}, origin, oxid, at`, ofThisSync(scope));

const ofThisSync = (scope: EntryScope): Sql => sql`origin is not null and sync = ${scope.sync}::uuid`;
