/**
 * Table `conflict`: decided conflicts, collected from the databases that took part. Each of them recorded the
 * conflict under the same id in the transaction that acted on it, so one conflict arrives several times and is kept
 * once, with the databases that have reported it. One without a winner stays until a person has decided it. The log outlives the sync: names are stored, not referred to.
 */
import { z } from 'zod';
import type { Database, DatabaseId, DatabaseName, RelationId, SyncId } from '../model/topology.ts';
import { sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { type EpochMs, instant, integerAs, json, nullable, row, text, textAs, timestamp } from './row.ts';

export interface ConflictRecord {
  /** A uuid made from sync, table, key and both versions: the same on every database. */
  readonly id: string;
  readonly syncId: SyncId;
  readonly relationId: RelationId;
  /** As PostgreSQL names it: `update_origin_differs`, `delete_origin_differs` … */
  readonly kind: string;
  readonly key: string;
  /** Null: every database has kept its row, until a person decides. */
  readonly winner: DatabaseId | null;
  readonly strategy: string;
  /** The versions with their row images, as the text of a JSON document. */
  readonly versions: string;
  readonly decidedAt: EpochMs;
}

const conflictRow = row({
  id: text,
  sync: text,
  syncId: textAs<SyncId>(),
  relationId: integerAs<RelationId>(),
  schema: text,
  relation: text,
  kind: text,
  key: text,
  winner: nullable(text),
  strategy: text,
  versions: text,
  decidedAt: timestamp,
  recordedOn: json<DatabaseName[]>(z.array(z.string().transform((name) => name as DatabaseName))),
});

export type StoredConflict = ReturnType<typeof conflictRow>;

/** What `database` has recorded. Repeating it changes nothing, so the records may be deleted there afterwards. */
export const appendConflicts = (
  db: Db,
  { database, conflicts }: { readonly database: DatabaseName; readonly conflicts: readonly ConflictRecord[] },
): Promise<void> =>
  db.run(sql`
    insert into conflict as known (
      id, sync, sync_name, relation, schema_name, relation_name, kind, key, winner, winner_name, strategy, versions,
      decided_at, recorded_on
    )
    select c.id, c."syncId", coalesce(s.name, c."syncId"::text), c."relationId", coalesce(r.schema_name, ''),
           coalesce(r.name, c."relationId"::text), c.kind, c.key, c.winner, coalesce(w.name, c.winner::text), c.strategy,
           c.versions::jsonb, to_timestamp(c."decidedAt" / 1000), array[${database}::text]
      from jsonb_to_recordset(${JSON.stringify(conflicts)}::jsonb) as c (
             id uuid, "syncId" uuid, "relationId" integer, kind text, key text, winner integer, strategy text,
             versions text, "decidedAt" double precision)
      left join sync s on s.id = c."syncId"
      left join relation r on r.id = c."relationId"
      left join db w on w.id = c.winner
        on conflict (id) do update
       set recorded_on = known.recorded_on || excluded.recorded_on
     where not known.recorded_on @> excluded.recorded_on
  `);

const conflicts = sql`
  select id, sync_name as sync, sync as "syncId", relation as "relationId", schema_name as schema,
         relation_name as relation, kind, key, winner_name as winner, strategy, versions, decided_at as "decidedAt",
         to_json(recorded_on) as "recordedOn"
    from conflict
`;

interface Listing {
  readonly syncId: SyncId | null;
  readonly limit: number;
  /** Only those that wait for a person. */
  readonly isUndecided: boolean;
}

/** The newest conflicts, newest first. */
export const listConflicts = (db: Db, { syncId, limit, isUndecided }: Listing): Promise<StoredConflict[]> =>
  db.many(
    conflictRow,
    sql`
      ${conflicts}
       where (${syncId}::uuid is null or sync = ${syncId}::uuid)
         and (winner is null or not ${isUndecided}::boolean)
       order by decided_at desc, id
       limit ${limit}::integer
    `,
  );

/** Those whose id begins like that; two are enough to see that it is not one. */
export const findConflicts = (db: Db, idPrefix: string): Promise<StoredConflict[]> =>
  db.many(conflictRow, sql`${conflicts} where starts_with(id::text, ${idPrefix}::text) order by id limit 2`);

/** A person has decided it. */
export const decideConflict = (
  db: Db,
  { id, winner }: { readonly id: string; readonly winner: Pick<Database, 'id' | 'name'> },
): Promise<void> =>
  db.run(sql`
    update conflict
       set winner = ${winner.id}::integer, winner_name = ${winner.name}::text, strategy = 'by hand',
           decided_at = clock_timestamp()
     where id = ${id}::uuid
  `);

/** Forgets what was decided before then. What is not decided is not forgotten. */
export const purgeConflicts = (db: Db, before: EpochMs): Promise<void> =>
  db.run(sql`delete from conflict where decided_at < ${instant(before)} and winner is not null`);
