/**
 * Table `db_memory`: what each database looked like when it was last connected to, so that one that was restored,
 * promoted or copied is recognised (engine rule 2). The incarnation only ever rises on a database that was not set
 * back.
 */
import type { DatabaseId } from '../model/topology.ts';
import { sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { bigint, type EpochMs, integer, row, text, timestamp } from './row.ts';

export interface Lineage {
  readonly incarnation: bigint;
  /** Of the cluster; beyond what a JavaScript number holds, so as text. */
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly databaseOid: number;
}

export interface RememberedLineage extends Lineage {
  readonly seenAt: EpochMs;
}

const lineageRow = row({
  incarnation: bigint,
  systemIdentifier: text,
  timeline: integer,
  databaseOid: integer,
  seenAt: timestamp,
});

/** Null: never connected to. */
export const findLineage = (db: Db, databaseId: DatabaseId): Promise<RememberedLineage | null> =>
  db.maybeOne(
    lineageRow,
    sql`
      select incarnation, system_identifier as "systemIdentifier", timeline, database_oid as "databaseOid", seen_at as "seenAt"
        from db_memory
       where db = ${databaseId}::integer
    `,
  );

/** What was seen now; takes the place of what was remembered. */
export const rememberLineage = (db: Db, databaseId: DatabaseId, seen: Lineage): Promise<void> =>
  db.run(sql`
    insert into db_memory (db, incarnation, system_identifier, timeline, database_oid)
    values (
      ${databaseId}::integer, ${seen.incarnation}::bigint, ${seen.systemIdentifier}::numeric, ${seen.timeline}::integer,
      ${seen.databaseOid}::bigint::oid
    )
    on conflict (db) do update
       set incarnation = excluded.incarnation,
           system_identifier = excluded.system_identifier,
           timeline = excluded.timeline,
           database_oid = excluded.database_oid,
           seen_at = excluded.seen_at
  `);
