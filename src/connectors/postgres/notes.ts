/**
 * Notes of versions that a round brings: they are deltas too, so that other readers of this database learn which version a row
 * has here, and whose it is (`entries.ts`). They are written before the rows, under the same locks.
 */
import type { DatabaseId, SyncId } from '../../model/topology.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { rowDiffers, sameRow } from './apply.ts';
import { type BaseVersion, knowersOfBase, pathFrom } from './base-version.ts';
import { nextSeq, type SegmentNumber, segmentTable, truncationShape } from './delta.ts';
import { type EntryScope, keyList } from './entries.ts';
import type { Snapshot } from './position.ts';
import { fates, isApplied, type StagePlace, type StagePlan } from './stage.ts';
import { isThere, relationOf } from './table.ts';

/** What is noted of the rows that are written to a table. */
export interface Noting {
  readonly shape: number;
  /** `all`: every row; `cascading`: those that go on by other syncs; `met`: those that met another version. */
  readonly which: 'all' | 'cascading' | 'met';
  /** Other syncs of this database take them for its own changes. */
  readonly cascades: boolean;
}

/** Where notes go, and by whom. */
export interface NotingPlace {
  readonly schema: string;
  readonly sync: SyncId;
  /** The database that is written. */
  readonly holder: DatabaseId;
  readonly segment: SegmentNumber;
  /** Own changes that this snapshot sees are behind what is noted. */
  readonly decided: Snapshot;
  /** The sources of the sync. */
  readonly origins: readonly DatabaseId[];
}

/** A version that the database keeps: chosen, or not (`isOpen`). Its key is that of a staged row. */
export interface KeptVersion {
  readonly stagePlace: StagePlace;
  readonly origin: DatabaseId;
  readonly xid: bigint;
  readonly atMicros: bigint;
  readonly path: readonly DatabaseId[];
  readonly isOpen: boolean;
}

/**
 * All that is applied and not noted yet. For the sync itself what is merely copied is no change; for those that read this
 * database it is. Of a source that is no member any more nobody says who knows its versions: they are noted while they change
 * something, or two databases would tell each other of them for ever.
 */
export const noteApplied = (plan: StagePlan, noting: Noting, place: NotingPlace): Sql => {
  const goesOn = cascades(plan, noting, place);
  const isForOwnSync = sql`(s.oxid <> '0'::xid8 and (${isOfMember(place, sql`s.origin`)} or ${changes(plan)}))`;
  const isNoted = noting.which === 'all' ? sql`(${isForOwnSync} or ${goesOn})` : goesOn;
  return sql`
    ${insertInto(plan, noting, place)}
    select ${plan.id}::integer, ${keyList(plan.key, sql`s`)}, ${nextSeq(place.schema)}, s.at,
           ${relay(place, stagedVersion, { ...plain, cascades: goesOn })}
      from ${plan.stage} s left join ${relationOf(plan.table)} t on ${sameRow(plan)}
     where s.fate = ${sql.literal(fates.apply)}::smallint and ${isNoted}`;
};

/** Some staged rows, which need no other note then. Their places mean nothing any more. */
export const noteStaged = (
  plan: StagePlan,
  noting: Noting,
  place: NotingPlace,
  {
    places,
    isVerdict,
    fate,
  }: {
    readonly places: readonly StagePlace[];
    readonly isVerdict: boolean;
    /** What becomes of them then. */
    readonly fate: 'noted' | 'merged';
  },
): Sql[] => [
  sql`
    ${insertInto(plan, noting, place)}
    select ${plan.id}::integer, ${keyList(plan.key, sql`s`)}, ${nextSeq(place.schema)}, s.at,
           ${relay(place, stagedVersion, { ...plain, isVerdict: sql`${isVerdict}::boolean`, cascades: cascades(plan, noting, place) })}
      from ${plan.stage} s left join ${relationOf(plan.table)} t on ${sameRow(plan)}
     where s.ctid = any (${places}::tid[])`,
  sql`update ${plan.stage} set fate = ${sql.literal(fates[fate])}::smallint where ctid = any (${places}::tid[])`,
];

/** Versions that change nothing here. */
export const noteKept = (
  plan: StagePlan,
  noting: Noting,
  place: NotingPlace,
  kept: readonly KeptVersion[],
): Sql => {
  const column = <T extends string | number | bigint>(pick: (version: KeptVersion) => T): T[] =>
    kept.map(pick);
  const version = { origin: sql`v.origin`, oxid: sql`v.oxid::text::xid8`, path: sql`v.path::integer[]` };
  return sql`
    ${insertInto(plan, noting, place)}
    select ${plan.id}::integer, ${keyList(plan.key, sql`s`)}, ${nextSeq(place.schema)},
           timestamptz 'epoch' + v.at_micros * interval '1 microsecond',
           ${relay(place, version, { isVerdict: sql`not v.is_open`, isOpen: sql`v.is_open`, cascades: sql`false` })}
      from unnest(${column((v) => v.stagePlace)}::tid[], ${column((v) => v.origin)}::integer[],
                  ${column((v) => v.xid)}::bigint[], ${column((v) => v.atMicros)}::bigint[],
                  ${column((v) => `{${v.path.join()}}`)}::text[], ${column((v) => String(v.isOpen))}::boolean[])
             v (stage_place, origin, oxid, at_micros, path, is_open)
      join ${plan.stage} s on s.ctid = v.stage_place`;
};

/**
 * A truncation that was brought, so that whoever lacks it learns of it here while its origin is away. It cascades as its rows do.
 * @param seq drawn before any note of the round for this table
 */
export const noteTruncation = (
  plan: StagePlan,
  noting: Noting,
  place: NotingPlace,
  { base, scope, seq }: { readonly base: BaseVersion; readonly scope: EntryScope; readonly seq: string },
): Sql => {
  const origin = base.origin ?? scope.holder;
  const version = {
    origin: sql`${origin}::integer`,
    oxid: sql`${base.xid}::xid8`,
    path: sql`${pathFrom(scope.holder, base)}::integer[]`,
  };
  const hasEffect = sql`exists (
    select from ${plan.stage} s left join ${relationOf(plan.table)} t on ${sameRow(plan)}
     where ${isApplied} and ${changes(plan)})`;
  const isOfSource = place.origins.includes(origin);
  const isNews =
    isOfSource && origin !== place.holder ? isUnknown(place, knowersOfBase(scope, base)) : sql`false`;
  const goesOn = noting.cascades ? sql`(${hasEffect} or ${isNews})` : sql`false`;
  const isNoted = noting.which === 'all' ? sql`(${isOfSource}::boolean or ${hasEffect})` : goesOn;
  return sql`
    insert into ${segmentTable(place.schema, truncationShape, place.segment)} (tbl, seq, at, relay)
    select ${plan.id}::integer, ${seq}::bigint, ${base.at}::timestamptz,
           ${relay(place, version, { ...plain, cascades: goesOn })}
     where ${isNoted}`;
};

const insertInto = (plan: StagePlan, { shape }: Noting, { schema, segment }: NotingPlace): Sql =>
  sql`insert into ${segmentTable(schema, shape, segment)} (tbl, ${keyList(plan.key)}, seq, at, relay)`;

interface VersionSql {
  readonly origin: Sql;
  readonly oxid: Sql;
  readonly path: Sql;
}

/** How the version came to be here. */
interface Manner {
  readonly isVerdict: Sql;
  readonly isOpen: Sql;
  readonly cascades: Sql;
}

const plain = { isVerdict: sql`false`, isOpen: sql`false` };

const stagedVersion: VersionSql = { origin: sql`s.origin`, oxid: sql`s.oxid`, path: sql`s.path` };

const relay = (
  { schema, sync, decided }: NotingPlace,
  { origin, oxid, path }: VersionSql,
  { isVerdict, isOpen, cascades: isCascading }: Manner,
): Sql => sql`row(${sync}::uuid, ${origin}, ${oxid}, ${decided}::pg_snapshot, ${isVerdict}, ${isOpen},
                  ${path}, ${isCascading})::${sql.id(schema, 'relay')}`;

const changes = (plan: StagePlan): Sql =>
  sql`(s.present <> ${isThere(sql`t`)} or (s.present and ${rowDiffers(plan)}))`;

/**
 * What this database knows already and what changes nothing goes no further. Paths never visit a database twice, so a ring comes
 * to rest. News goes on also where it changes nothing, for further on it may meet another change of its row.
 */
const cascades = (plan: StagePlan, noting: Noting, place: NotingPlace): Sql => {
  if (!noting.cascades) return sql`false`;
  const isOfOther = sql`s.origin <> ${place.holder}::integer`;
  const isNews = sql`(${isOfMember(place, sql`s.origin`)} and ${isOfOther} and ${isUnknown(place, sql`s.knows`)})`;
  return sql`(${changes(plan)} or ${isNews})`;
};

const isOfMember = ({ origins }: NotingPlace, origin: Sql): Sql =>
  sql`${origin} = any (${origins}::integer[])`;

const isUnknown = ({ holder }: NotingPlace, knowers: Sql): Sql => sql`${holder}::integer <> all (${knowers})`;
