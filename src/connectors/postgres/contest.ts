/**
 * Contested rows: keys for which the stage and the database that is written, or two senders of one stage, hold
 * different versions. The statements here find them, and write down what was decided; who wins is decided elsewhere.
 *
 * On a database with writers of its own they run after the rows have been locked, so its changes are seen as
 * they are at the moment of writing, not as of a snapshot that is older.
 */
import type { DatabaseId, SyncId } from '../../model/topology.ts';
import type { Row } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { keyText, rowDiffers, sameRow } from './apply.ts';
import { segmentTables } from './delta.ts';
import { type EntryScope, heldVersions, keyIdentity, keyList, sameKey } from './entries.ts';
import type { Snapshot } from './position.ts';
import { type BaseVersion, knowersOfBase } from './reader.ts';
import { fates, type StagePlan } from './stage.ts';
import { isThere, relationOf } from './table.ts';

/** A version of a contested row: staged (with the number of its stage row), or the written database's own. */
export interface ContestedVersion {
  readonly stageRow: number | null;
  readonly holder: DatabaseId;
  readonly origin: DatabaseId;
  readonly xid: bigint;
  readonly atMicros: bigint;
  readonly knownBy: readonly DatabaseId[];
}

/** The changes of the written database itself that another source does not know yet; null for a target. */
export interface LocalChanges {
  readonly scope: EntryScope;
  readonly truncation: BaseVersion | null;
}

/** One row for each contested key: its versions as JSON. */
export const contestedRows = (plan: StagePlan, local: LocalChanges | null): Sql => {
  const exists = isThere(sql`t`);
  const staged = sql`
    select ${keyList(plan.key, sql`s`)}, s.n, s.src as holder, s.origin, s.oxid, s.at, s.knows,
           (s.present <> ${exists} or (s.present and ${rowDiffers(plan)})) as differs
      from ${plan.stage} s left join ${relationOf(plan.table)} t on ${sameRow(plan)}`;
  const candidates = local === null ? sentByMany(plan, staged) : metByLocal(plan, staged, local);
  return sql`
    select json_agg(json_build_array(v.n, v.holder, v.origin, v.oxid::text,
                    (extract(epoch from v.at) * 1000000)::bigint::text, v.knows)) as versions
      from ${candidates} v
     group by ${keyIdentity(plan.key, sql`v`)}
    having count(*) > 1 and bool_or(v.differs)`;
};

const sentByMany = (plan: StagePlan, staged: Sql): Sql => sql`
  (select * from (select v.*, count(*) over (partition by ${keyIdentity(plan.key, sql`v`)}) as senders
                    from (${staged}) v) counted
    where senders > 1)`;

const metByLocal = (plan: StagePlan, staged: Sql, local: LocalChanges): Sql => {
  const held = localVersions(plan, local);
  return sql`
    (with held as materialized (${held})
     select s.* from (${staged}) s where exists (select from held h where ${sameKey(plan.key, sql`h`, sql`s`)})
     union all
     select ${keyList(plan.key, sql`h`)}, null, ${local.scope.holder}::integer, h.origin, h.oxid, h.at, h.knows, false
       from held h
      where exists (select from ${plan.stage} s where ${sameKey(plan.key, sql`s`, sql`h`)}))`;
};

/** A truncation is a change of every key; of the two, the later one is the version that the row has here. */
const localVersions = (plan: StagePlan, { scope, truncation }: LocalChanges): Sql => {
  const own = heldVersions(scope, true);
  if (truncation === null) return own;
  return sql`
    select distinct on (${keyIdentity(plan.key, sql`e`)}) *
      from (select * from (${own}) own
            union all
            select ${keyList(plan.key, sql`s`)}, ${scope.holder}::integer, ${truncation.xid}::xid8,
                   ${truncation.at}::timestamptz, ${knowersOfBase(scope, truncation)}
              from ${plan.stage} s) e
     order by ${keyIdentity(plan.key, sql`e`)}, e.at desc, e.oxid desc`;
};

type WireVersion = [number | null, number, number, string, string, number[]];

export const decodeContested = (row: Row): ContestedVersion[] =>
  (JSON.parse(row['versions'] ?? '[]') as WireVersion[]).map(
    ([stageRow, holder, origin, xid, at, knownBy]) => ({
      stageRow,
      holder: holder as DatabaseId,
      origin: origin as DatabaseId,
      xid: BigInt(xid),
      atMicros: BigInt(at),
      knownBy: knownBy as DatabaseId[],
    }),
  );

export const markLost = (plan: StagePlan, stageRows: readonly number[]): Sql => sql`
  update ${plan.stage} set fate = ${fates.lost}::smallint where n = any (${stageRows}::integer[])`;

/**
 * Notes that versions of others were written over changes of this database. The notes hide those changes
 * from the other sources, and tell the targets that the row has another content now.
 */
export const relayVersions = (options: {
  readonly plan: StagePlan;
  readonly scope: EntryScope;
  readonly segment: number;
  readonly decided: Snapshot;
  readonly stageRows: readonly number[];
}): Sql => {
  const { plan, scope, segment, decided, stageRows } = options;
  const keys = keyList(plan.key, sql`s`);
  return sql`
    insert into ${segmentTables(scope.schema, scope.shape)[segment] ?? sql.empty}
           (tbl, ${keyList(plan.key)}, xid, at, sync, origin, oxid, decided)
    select ${scope.table}::integer, ${keys}, pg_catalog.pg_current_xact_id(), s.at, ${scope.sync}::uuid,
           s.origin, s.oxid, ${decided}::pg_snapshot
      from ${plan.stage} s
     where s.n = any (${stageRows}::integer[])`;
};

/** A version in a conflict record. `stageRow` is any staged row of the key; `isLocal` says that the table has the image. */
export interface RecordedVersion {
  readonly conflict: number;
  readonly signature: string;
  readonly stageRow: number;
  readonly isLocal: boolean;
  readonly holder: DatabaseId;
  readonly origin: DatabaseId;
  readonly xid: bigint;
  readonly atMicros: bigint;
  readonly isWinner: boolean;
}

/**
 * A value longer than this is recorded by its length and digest: the log must never stop a round, and two rows of 1,600
 * such values still fit into one jsonb.
 */
const imageValueBytesMax = 50_000;

/**
 * Writes conflict records with the images of all their versions, before the rows are changed. The id is made
 * from the versions, so the same conflict has the same id on every database that decides it.
 */
export const recordConflicts = (options: {
  readonly schema: string;
  readonly sync: SyncId;
  readonly plan: StagePlan;
  readonly strategy: string;
  readonly versions: readonly RecordedVersion[];
}): Sql => {
  const { schema, sync, plan, strategy, versions } = options;
  const column = <T extends string | number | bigint>(pick: (version: RecordedVersion) => T): T[] =>
    versions.map(pick);
  return sql`
    insert into ${sql.id(schema, 'conflict')} (id, sync, tbl, kind, key, winner, strategy, versions)
    select pg_catalog.md5(pg_catalog.concat_ws('/', ${sync}::text, ${plan.id}::text, min(v.key), v.signature))::uuid,
           ${sync}::uuid, ${plan.id}::integer,
           case when bool_and(v.present) then 'update_origin_differs'
                when bool_or(v.present and v.won) then 'update_deleted'
                else 'delete_origin_differs' end,
           min(v.key), min(v.origin) filter (where v.won), ${strategy}::text,
           pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
             'database', v.holder, 'origin', v.origin, 'xid', v.xid::text, 'won', v.won,
             'at', pg_catalog.to_timestamp(v.at_micros / 1000000.0), 'row', v.image) order by v.won desc, v.holder)
      from (
        select c.*, ${keyText(plan, sql`s`)} as key,
               case when c.is_local then ${isThere(sql`t`)} else s.present end as present,
               case when c.is_local then ${imageOf(plan, 'current')} else ${imageOf(plan, 'value')} end as image
          from unnest(${column((v) => v.conflict)}::integer[], ${column((v) => v.signature)}::text[],
                      ${column((v) => v.stageRow)}::integer[], ${column((v) => String(v.isLocal))}::boolean[],
                      ${column((v) => v.holder)}::integer[], ${column((v) => v.origin)}::integer[],
                      ${column((v) => v.xid)}::bigint[], ${column((v) => v.atMicros)}::bigint[],
                      ${column((v) => String(v.isWinner))}::boolean[])
                 c (conflict, signature, stage_row, is_local, holder, origin, xid, at_micros, won)
          join ${plan.stage} s on s.n = c.stage_row
          left join ${relationOf(plan.table)} t on ${sameRow(plan)}
      ) v
     group by v.conflict, v.signature
    having bool_or(v.present)
    on conflict (id) do nothing`;
};

/** The row as JSON of texts, null where it does not exist. */
const imageOf = (plan: StagePlan, side: 'current' | 'value'): Sql => {
  const isKnown = side === 'current' ? isThere(sql`t`) : sql`s.present`;
  const fields = chunk(plan.columns, 50).map((columns) => {
    const pairs = columns.map((column) => {
      const value = sql`${column[side]}::text`;
      return sql`${column.name}::text, case when pg_catalog.octet_length(${value}) > ${imageValueBytesMax}::integer
        then pg_catalog.format('%s bytes, md5 %s', pg_catalog.octet_length(${value}), pg_catalog.md5(${value})) else ${value} end`;
    });
    return sql`pg_catalog.jsonb_build_object(${sql.join(pairs)})`;
  });
  return sql`case when ${isKnown} then ${sql.join(fields, ' || ')} end`;
};

/** A function takes at most 100 arguments (PostgreSQL manual, appendix K). */
const chunk = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
