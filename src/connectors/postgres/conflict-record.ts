/** Writes down decided conflicts on the database that decides them, with the images of all versions, in the transaction that acts. */
import type { DatabaseId, SyncId } from '../../model/topology.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { keyText, sameRow } from './apply.ts';
import type { StagePlace, StagePlan } from './stage.ts';
import { isThere, relationOf } from './table.ts';

/** A version in a conflict record. `stagePlace` is that of any staged row of the key; `isLocal` says that the table has the image. */
export interface RecordedVersion {
  readonly conflict: number;
  readonly signature: string;
  readonly stagePlace: StagePlace;
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
  /** By how much the clock of a database is ahead; that is taken off the times of its versions. Missing where nobody knows. */
  readonly clocksAheadMs: ReadonlyMap<DatabaseId, number>;
}): Sql => {
  const { schema, sync, plan, strategy, versions, clocksAheadMs } = options;
  const column = <T extends string | number | bigint>(pick: (version: RecordedVersion) => T): T[] =>
    versions.map(pick);
  return sql`
    insert into ${sql.id(schema, 'conflict')} (id, sync, tbl, kind, key, winner, strategy, versions)
    select pg_catalog.md5(pg_catalog.concat_ws('/', ${sync}::text, ${plan.id}::text, min(v.key), v.signature))::uuid,
           ${sync}::uuid, ${plan.id}::integer,
           case when bool_and(v.present) then 'update_origin_differs'
                when bool_or(v.won and not v.present) then 'delete_origin_differs'
                else 'update_deleted' end,
           min(v.key), min(v.origin) filter (where v.won), ${strategy}::text,
           pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
             'database', v.holder, 'origin', v.origin, 'xid', v.xid::text, 'won', v.won,
             'at', pg_catalog.to_timestamp(v.at_micros / 1000000.0), 'clock_ahead_ms', v.ahead_ms,
             'row', v.image) order by v.won desc, v.holder)
      from (
        select c.*, ${keyText(plan, sql`s`)} as key,
               case when c.is_local then ${isThere(sql`t`)} else s.present end as present,
               case when c.is_local then ${imageOf(plan, 'current')} else ${imageOf(plan, 'value')} end as image
          from unnest(${column((v) => v.conflict)}::integer[], ${column((v) => v.signature)}::text[],
                      ${column((v) => v.stagePlace)}::tid[], ${column((v) => String(v.isLocal))}::boolean[],
                      ${column((v) => v.holder)}::integer[], ${column((v) => v.origin)}::integer[],
                      ${column((v) => v.xid)}::bigint[], ${column((v) => v.atMicros)}::bigint[],
                      ${column((v) => String(v.isWinner))}::boolean[],
                      ${versions.map(({ origin }) => clocksAheadMs.get(origin) ?? null)}::double precision[])
                 c (conflict, signature, stage_place, is_local, holder, origin, xid, at_micros, won, ahead_ms)
          join ${plan.stage} s on s.ctid = c.stage_place
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
