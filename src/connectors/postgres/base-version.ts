/** Versions that stand for a whole table: a truncation, or the start of a copy. */
import type { DatabaseId } from '../../model/topology.ts';
import type { Row } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { type EntryScope, knowers } from './entries.ts';

export interface BaseVersion {
  /** Where it was made, for the sync; null: on the database that holds it. */
  readonly origin: DatabaseId | null;
  /** By which databases it has come to the one that holds it, from sync to sync. */
  readonly path: readonly DatabaseId[];
  readonly xid: string;
  /** As the server wrote it. */
  readonly at: string;
  /** Its place among the deltas of the holder. */
  readonly seq: string;
}

/** Older than any change. */
export const copyVersion: BaseVersion = { origin: null, path: [], xid: '0', at: 'epoch', seq: '0' };

export const decodeBase = (row: Row): BaseVersion => ({
  origin: row['is_brought'] === 't' ? (Number(row['origin']) as DatabaseId) : null,
  path: JSON.parse(row['path'] ?? '[]') as DatabaseId[],
  xid: row['xid'] ?? '',
  at: row['at'] ?? '',
  seq: row['seq'] ?? '',
});

/** By which databases it has come when it leaves the one that holds it. */
export const pathFrom = (holder: DatabaseId, { origin, path }: BaseVersion): readonly DatabaseId[] =>
  origin === null ? [...path, holder] : path;

/**
 * Which of two deletions is the version of a row that is gone: true for that of the row, which has a place and a time of its own, against
 * the truncation. One that was made here removed what was there before it. Of one that was brought nobody says what its maker
 * had seen of this database, and it is a deletion of every row at its time: the later one counts.
 */
export const outlasts = (base: BaseVersion, { seq, at }: { readonly seq: Sql; readonly at: Sql }): Sql =>
  base.path.length === 0
    ? sql`${seq} > ${base.seq}::bigint`
    : sql`(${seq} > ${base.seq}::bigint or ${at} > ${base.at}::timestamptz)`;

/** A copy is known to everybody: any change that somebody holds supersedes it. */
export const knowersOfBase = (scope: EntryScope, base: BaseVersion): Sql => {
  const everybody = [scope.holder, ...scope.peers.map(({ id }) => id)];
  if (base === copyVersion) return sql`${everybody}::integer[]`;
  return knowers(scope, {
    origin: sql`${base.origin ?? scope.holder}::integer`,
    oxid: sql`${base.xid}::xid8`,
    path: sql`${pathFrom(scope.holder, base)}::integer[]`,
  });
};
