/**
 * Contested rows: keys for which the stage and the database that is written, or two senders of one stage, hold
 * different versions. The statements here find them, and write down what was decided; who wins is decided elsewhere.
 *
 * On a database with writers of its own they run after the rows have been locked, so its changes are seen as
 * they are at the moment of writing, not as of a snapshot that is older.
 */
import type { DatabaseId } from '../../model/topology.ts';
import type { Row } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { keyText, rowDiffers, sameRow } from './apply.ts';
import { type BaseVersion, knowersOfBase, outlasts, pathFrom } from './base-version.ts';
import { type EntryScope, heldVersions, keyIdentity, keyList, sameKey } from './entries.ts';
import { stateDiffers } from './merge-state.ts';
import { fates, isApplied, type StagePlace, type StagePlan } from './stage.ts';
import { isThere, relationOf } from './table.ts';

/** A version of a contested row: staged, or the written database's own. */
export interface ContestedVersion {
  /** Null: it is the written database's own. */
  readonly stagePlace: StagePlace | null;
  readonly holder: DatabaseId;
  readonly origin: DatabaseId;
  readonly xid: bigint;
  readonly atMicros: bigint;
  /** By which databases it has come to its holder, first the one on which an application made it. */
  readonly path: readonly DatabaseId[];
  /** Its holder has seen other versions and has not decided between them and this one. */
  readonly isOpen: boolean;
  /** False: in this version there is no row. */
  readonly isPresent: boolean;
  readonly knownBy: readonly DatabaseId[];
}

export interface ContestedRow {
  readonly versions: readonly ContestedVersion[];
  /** Some version has another content than the row that is there. */
  readonly differs: boolean;
  /** The same text on every database; empty where equal keys can be written differently. */
  readonly key: string;
}

/** What the written database holds itself and another source may not know; null for a target. */
export interface LocalChanges {
  readonly scope: EntryScope;
  readonly truncation: BaseVersion | null;
}

/** One row for each key of which there is more than one version, with the versions as JSON. */
export const contestedRows = (
  plan: StagePlan,
  {
    schema,
    local,
    isSentByMany,
  }: { readonly schema: string; readonly local: LocalChanges | null; readonly isSentByMany: boolean },
): Sql => {
  const isExact = plan.key.columns.every(({ equalityIsBytes }) => equalityIsBytes);
  return sql`
    with held as materialized (${local === null ? noVersions(plan) : localVersions(plan, local)}),
         staged as (${stagedVersions(plan, schema, isSentByMany)})
    select json_agg(json_build_array(v.place, v.holder, v.origin, v.oxid::text,
                    (extract(epoch from v.at) * 1000000)::bigint::text, v.path, v.is_open, v.present, v.knows)) as versions,
           bool_or(v.differs) as differs, bool_or(v.is_there) as is_there, ${isExact ? sql`min(${keyText(plan, sql`v`)})` : sql`''`} as key
      from (
        select ${keyList(plan.key)}, place, holder, origin, oxid, at, path, is_open, present, knows, differs, is_there
          from staged s
         where senders > 1 or exists (select from held h where ${sameKey(plan.key, sql`h`, sql`s`)})
        union all
        select ${keyList(plan.key)}, null, holder, origin, oxid, at, path, is_open, null, knows, false, false
          from held h
         where exists (select from ${plan.stage} s where ${sameKey(plan.key, sql`s`, sql`h`)})
      ) v
     group by ${keyIdentity(plan.key, sql`v`)}
    having count(distinct (v.origin, v.oxid)) > 1`;
};

const stagedVersions = (plan: StagePlan, schema: string, isSentByMany: boolean): Sql => {
  const exists = isThere(sql`t`);
  const senders = isSentByMany ? sql`count(*) over (partition by ${keyIdentity(plan.key, sql`s`)})` : sql`1`;
  return sql`
    select ${keyList(plan.key, sql`s`)}, s.ctid as place, s.src as holder, s.origin, s.oxid, s.at, s.path, s.is_open, s.present, s.knows, ${senders} as senders,
           ${exists} as is_there, (s.present <> ${exists} or (s.present and (${rowDiffers(plan)} or ${stateDiffers(plan, schema)}))) as differs
      from ${plan.stage} s left join ${relationOf(plan.table)} t on ${sameRow(plan)}`;
};

const noVersions = (plan: StagePlan): Sql => sql`
  select ${keyList(plan.key)}, src as holder, origin, oxid, at, path, is_open, knows from ${plan.stage} where false`;

/**
 * A truncation is a change of every key that is gone. A row that is there has stayed against the truncation, also where that came here
 * after it.
 */
const localVersions = (plan: StagePlan, { scope, truncation }: LocalChanges): Sql => {
  const columns = sql`${keyList(plan.key)}, ${scope.holder}::integer as holder, origin, oxid, at, path, is_open, knows`;
  const own = heldVersions(scope, 'all');
  if (truncation === null) return sql`select ${columns} from (${own}) own`;
  const origin = truncation.origin ?? scope.holder;
  const isOfRow = outlasts(truncation, { seq: sql`own.seq`, at: sql`own.at` });
  const emptied = sql`
    select ${keyList(plan.key, sql`s`)}, ${origin}::integer as origin, ${truncation.xid}::xid8 as oxid,
           ${truncation.at}::timestamptz as at, ${pathFrom(scope.holder, truncation)}::integer[] as path,
           ${truncation.seq}::bigint as seq, false as is_open, ${knowersOfBase(scope, truncation)} as knows, 1 as rank
      from ${plan.stage} s
     where not exists (select from ${relationOf(plan.table)} t where ${sameRow(plan)})`;
  return sql`
    select ${columns}
      from (select distinct on (${keyIdentity(plan.key, sql`e`)}) *
              from (select own.*, case when ${isOfRow} then 2 else 0 end as rank from (${own}) own union all ${emptied}) e
             order by ${keyIdentity(plan.key, sql`e`)}, e.rank desc) newest`;
};

/** Whether there is a row is null for what the written database holds: the table says it. */
type WireVersion = [
  StagePlace | null,
  number,
  number,
  string,
  string,
  number[],
  boolean,
  boolean | null,
  number[],
];

export const decodeContested = (row: Row): ContestedRow => ({
  differs: row['differs'] === 't',
  key: row['key'] ?? '',
  versions: (JSON.parse(row['versions'] ?? '[]') as WireVersion[]).map(
    ([stagePlace, holder, origin, xid, at, path, isOpen, isPresent, knownBy]) => ({
      stagePlace,
      holder: holder as DatabaseId,
      origin: origin as DatabaseId,
      xid: BigInt(xid),
      atMicros: BigInt(at),
      path: path as DatabaseId[],
      isOpen,
      isPresent: isPresent ?? row['is_there'] === 't',
      knownBy: knownBy as DatabaseId[],
    }),
  ),
});

/** Keeps rows from being written whose operation the plan leaves out; null where it leaves none out. */
export const markWithheld = (plan: StagePlan): Sql | null => {
  const exists = sql`exists (select from ${relationOf(plan.table)} t where ${sameRow(plan)})`;
  const withheld = [
    ...(plan.operations.has('delete') ? [] : [sql`not s.present`]),
    ...(plan.operations.has('update') ? [] : [sql`s.present and ${exists}`]),
    ...(plan.operations.has('insert') ? [] : [sql`s.present and not ${exists}`]),
  ];
  if (withheld.length === 0) return null;
  return sql`
  update ${plan.stage} s set fate = ${fates.lost}::smallint where ${isApplied} and (${sql.join(withheld, ' or ')})`;
};

export const mark = (plan: StagePlan, fate: 'lost' | 'merged', places: readonly StagePlace[]): Sql => sql`
  update ${plan.stage} set fate = ${fates[fate]}::smallint where ctid = any (${places}::tid[])`;

/** Of the rows that several sources sent in one version, one is enough; whoever holds the version has the same row. */
export const markDuplicates = (plan: StagePlan): Sql => sql`
  update ${plan.stage} set fate = ${fates.lost}::smallint
   where ctid = any (array(
           select place
             from (select s.ctid as place, row_number() over (partition by ${keyIdentity(plan.key, sql`s`)}
                                                              order by (s.src = s.origin) desc, s.ctid) as turn
                     from ${plan.stage} s where ${isApplied}) sent
            where turn > 1))`;
