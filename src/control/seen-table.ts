/**
 * Table `seen_table`: how the tables of a source were when the daemon looked at them last. What happened to one while no
 * daemon ran is found by comparing. No foreign keys, as in `sync-state.ts`.
 */
import type { DatabaseId, RelationId, SyncId } from '../model/topology.ts';
import { sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { integerAs, row, text } from './row.ts';

export interface SeenTable {
  readonly relationId: RelationId;
  /** Of the cluster in which the others mean something. */
  readonly systemIdentifier: string;
  readonly oid: string;
  /** Digest of the capture triggers. */
  readonly triggers: string;
  /** Digest of the partitions. */
  readonly children: string;
}

const seenTableRow = row({
  relationId: integerAs<RelationId>(),
  systemIdentifier: text,
  oid: text,
  triggers: text,
  children: text,
});

interface Place {
  readonly syncId: SyncId;
  readonly databaseId: DatabaseId;
}

export const readSeenTables = (db: Db, { syncId, databaseId }: Place): Promise<SeenTable[]> =>
  db.many(
    seenTableRow,
    sql`
      select relation as "relationId", system_identifier as "systemIdentifier", oid, triggers, children
        from seen_table
       where sync = ${syncId}::uuid
         and db = ${databaseId}::integer
    `,
  );

/** In the place of what was remembered of these tables. */
export const rememberTables = (
  db: Db,
  { syncId, databaseId }: Place,
  tables: readonly SeenTable[],
): Promise<void> =>
  db.run(sql`
    insert into seen_table (sync, db, relation, system_identifier, oid, triggers, children)
    select ${syncId}::uuid, ${databaseId}::integer, t."relationId", t."systemIdentifier", t.oid, t.triggers, t.children
      from json_to_recordset(${JSON.stringify(tables)}::json) as t (
             "relationId" integer, "systemIdentifier" numeric, oid oid, triggers text, children text)
        on conflict (sync, db, relation) do update
       set system_identifier = excluded.system_identifier,
           oid = excluded.oid,
           triggers = excluded.triggers,
           children = excluded.children
  `);
