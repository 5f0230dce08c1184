/**
 * Notes of versions that a round brings: they are deltas too, so that other readers of this database learn which version a row
 * has here, and whose it is (`entries.ts`). They are written before the rows, under the same locks.
 */
import type { DatabaseId, SyncId } from '../../model/topology.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { rowDiffers, sameRow } from './apply.ts';
import type { BaseVersion } from './base-version.ts';
import { nextSeq, type SegmentNumber, segmentTable, truncationShape } from './delta.ts';
import { keyList } from './entries.ts';
import type { Snapshot } from './position.ts';
import { fates, isApplied, type StagePlan } from './stage.ts';
import { isThere, relationOf } from './table.ts';

/** What is noted of the rows that are written to a table. */
export interface Noting {
  readonly shape: number;
  /** `all`: every row; `changed`: those that change something; `met`: those that met another version. */
  readonly which: 'all' | 'changed' | 'met';
  /** Other syncs of this database take them for its own changes. */
  readonly cascades: boolean;
}

/** Where notes go, and by whom. */
export interface NotingPlace {
  readonly schema: string;
  readonly sync: SyncId;
  readonly segment: SegmentNumber;
  /** Own changes that this snapshot sees are behind what is noted. */
  readonly decided: Snapshot;
  /** The sources of the sync. */
  readonly origins: readonly DatabaseId[];
}

/** A version that the database keeps: chosen, or not (`isOpen`). Its key is that of a staged row. */
export interface KeptVersion {
  readonly stageRow: number;
  readonly origin: DatabaseId;
  readonly xid: bigint;
  readonly atMicros: bigint;
  readonly author: DatabaseId;
  readonly isOpen: boolean;
}

/**
 * All that is applied and not noted yet. For the sync itself what is merely copied is no change; for those that read this
 * database it is. Of a source that is no member any more nobody says who knows its versions: they are noted while they change
 * something, or two databases would tell each other of them for ever.
 */
export const noteApplied = (plan: StagePlan, noting: Noting, place: NotingPlace): Sql => {
  const condition = noting.which === 'changed' ? sql`and ${changes(plan)}` : sql.empty;
  const isKnownOrigin = sql`(s.origin = any (${place.origins}::integer[]) or ${changes(plan)})`;
  const isNoted = sql`((s.oxid <> '0'::xid8 and ${isKnownOrigin}) or ${cascades(plan, noting)})`;
  return sql`
    ${insertInto(plan, noting, place)}
    select ${plan.id}::integer, ${keyList(plan.key, sql`s`)}, ${nextSeq(place.schema)}, s.at,
           ${relay(place, stagedVersion, { ...plain, cascades: cascades(plan, noting) })}
      from ${plan.stage} s left join ${relationOf(plan.table)} t on ${sameRow(plan)}
     where s.fate = ${sql.literal(fates.apply)}::smallint and ${isNoted} ${condition}`;
};

/** Some staged rows, which need no other note then. */
export const noteStaged = (
  plan: StagePlan,
  noting: Noting,
  place: NotingPlace,
  { stageRows, isVerdict }: { readonly stageRows: readonly number[]; readonly isVerdict: boolean },
): Sql[] => [
  sql`
    ${insertInto(plan, noting, place)}
    select ${plan.id}::integer, ${keyList(plan.key, sql`s`)}, ${nextSeq(place.schema)}, s.at,
           ${relay(place, stagedVersion, { ...plain, isVerdict: sql`${isVerdict}::boolean`, cascades: cascades(plan, noting) })}
      from ${plan.stage} s left join ${relationOf(plan.table)} t on ${sameRow(plan)}
     where s.n = any (${stageRows}::integer[])`,
  sql`update ${plan.stage} set fate = ${sql.literal(fates.noted)}::smallint where n = any (${stageRows}::integer[])`,
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
  const version = { origin: sql`v.origin`, oxid: sql`v.oxid::text::xid8`, author: sql`v.author` };
  return sql`
    ${insertInto(plan, noting, place)}
    select ${plan.id}::integer, ${keyList(plan.key, sql`s`)}, ${nextSeq(place.schema)},
           timestamptz 'epoch' + v.at_micros * interval '1 microsecond',
           ${relay(place, version, { isVerdict: sql`not v.is_open`, isOpen: sql`v.is_open`, cascades: sql`false` })}
      from unnest(${column((v) => v.stageRow)}::integer[], ${column((v) => v.origin)}::integer[],
                  ${column((v) => v.xid)}::bigint[], ${column((v) => v.atMicros)}::bigint[],
                  ${column((v) => v.author)}::integer[], ${column((v) => String(v.isOpen))}::boolean[])
             v (stage_row, origin, oxid, at_micros, author, is_open)
      join ${plan.stage} s on s.n = v.stage_row`;
};

/**
 * A truncation that was brought, so that whoever lacks it learns of it here while its origin is away. It cascades like its
 * rows: when it changes something.
 * @param seq drawn before any note of the round for this table
 */
export const noteTruncation = (
  plan: StagePlan,
  noting: Noting,
  place: NotingPlace,
  { base, holder, seq }: { readonly base: BaseVersion; readonly holder: DatabaseId; readonly seq: string },
): Sql => {
  const version = {
    origin: sql`${base.origin ?? holder}::integer`,
    oxid: sql`${base.xid}::xid8`,
    author: sql`${base.author ?? holder}::integer`,
  };
  const hasEffect = sql`exists (
    select from ${plan.stage} s left join ${relationOf(plan.table)} t on ${sameRow(plan)}
     where ${isApplied} and ${changes(plan)})`;
  const isMember = place.origins.includes(base.origin ?? holder);
  const isCascading = noting.cascades ? hasEffect : sql`false`;
  return sql`
    insert into ${segmentTable(place.schema, truncationShape, place.segment)} (tbl, seq, at, relay)
    select ${plan.id}::integer, ${seq}::bigint, ${base.at}::timestamptz,
           ${relay(place, version, { ...plain, cascades: isCascading })}
    ${noting.which === 'changed' || !isMember ? sql`where ${hasEffect}` : sql.empty}`;
};

const insertInto = (plan: StagePlan, { shape }: Noting, { schema, segment }: NotingPlace): Sql =>
  sql`insert into ${segmentTable(schema, shape, segment)} (tbl, ${keyList(plan.key)}, seq, at, relay)`;

interface VersionSql {
  readonly origin: Sql;
  readonly oxid: Sql;
  readonly author: Sql;
}

/** How the version came to be here. */
interface Manner {
  readonly isVerdict: Sql;
  readonly isOpen: Sql;
  readonly cascades: Sql;
}

const plain = { isVerdict: sql`false`, isOpen: sql`false` };

const stagedVersion: VersionSql = { origin: sql`s.origin`, oxid: sql`s.oxid`, author: sql`s.author` };

const relay = (
  { schema, sync, decided }: NotingPlace,
  { origin, oxid, author }: VersionSql,
  { isVerdict, isOpen, cascades: isCascading }: Manner,
): Sql => sql`row(${sync}::uuid, ${origin}, ${oxid}, ${decided}::pg_snapshot, ${isVerdict}, ${isOpen},
                  ${author}, ${isCascading})::${sql.id(schema, 'relay')}`;

const changes = (plan: StagePlan): Sql =>
  sql`(s.present <> ${isThere(sql`t`)} or (s.present and ${rowDiffers(plan)}))`;

/** What changes nothing goes no further: so a ring of databases comes to rest. */
const cascades = (plan: StagePlan, noting: Noting): Sql => (noting.cascades ? changes(plan) : sql`false`);
