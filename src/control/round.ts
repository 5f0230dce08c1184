/** Table `round`: the history of rounds that did something or failed, for each sync and database. No foreign keys, as in `sync-state.ts`. */
import type { DatabaseId, DatabaseName, SyncId } from '../model/topology.ts';
import { sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { type EpochMs, instant, integer, integerAs, nullable, row, text, textAs, timestamp } from './row.ts';

/** A round that found nothing to do is not recorded. */
export interface RoundRecord {
  readonly syncId: SyncId;
  readonly databaseId: DatabaseId;
  readonly startedAt: EpochMs;
  readonly endedAt: EpochMs;
  readonly outcome: 'good' | 'bad';
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  readonly conflicts: number;
  /** Both null after a good round. */
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
}

export interface StoredRound extends RoundRecord {
  readonly database: DatabaseName;
}

/** All in one statement. */
export const recordRounds = (db: Db, rounds: readonly RoundRecord[]): Promise<void> =>
  db.run(sql`
    insert into round (sync, db, started_at, ended_at, outcome, inserted, updated, deleted, conflicts, error_code, error_message)
    select r."syncId", r."databaseId", to_timestamp(r."startedAt" / 1000), to_timestamp(r."endedAt" / 1000),
           r.outcome, r.inserted, r.updated, r.deleted, r.conflicts, r."errorCode", r."errorMessage"
      from jsonb_to_recordset(${JSON.stringify(rounds)}::jsonb) as r (
             "syncId" uuid, "databaseId" integer, "startedAt" double precision, "endedAt" double precision,
             outcome text, inserted bigint, updated bigint, deleted bigint, conflicts bigint,
             "errorCode" text, "errorMessage" text)
  `);

const roundRow = row({
  syncId: textAs<SyncId>(),
  databaseId: integerAs<DatabaseId>(),
  database: textAs<DatabaseName>(),
  startedAt: timestamp,
  endedAt: timestamp,
  outcome: textAs<'good' | 'bad'>(),
  inserted: integer,
  updated: integer,
  deleted: integer,
  conflicts: integer,
  errorCode: nullable(text),
  errorMessage: nullable(text),
});

/** The newest rounds of a sync, newest first. */
export const lastRounds = (
  db: Db,
  { syncId, limit }: { readonly syncId: SyncId; readonly limit: number },
): Promise<StoredRound[]> =>
  db.many(
    roundRow,
    sql`
      select r.sync as "syncId", r.db as "databaseId", d.name as database, r.started_at as "startedAt",
             r.ended_at as "endedAt", r.outcome, r.inserted, r.updated, r.deleted, r.conflicts,
             r.error_code as "errorCode", r.error_message as "errorMessage"
        from round r
        join db d on d.id = r.db
       where r.sync = ${syncId}::uuid
       order by r.ended_at desc, r.id desc
       limit ${limit}::integer
    `,
  );

/** Keeps what ended since then, and of that no more than `countMax` for each sync and database. */
export const purgeRounds = async (
  db: Db,
  { before, countMax }: { readonly before: EpochMs; readonly countMax: number },
): Promise<void> => {
  await db.run(sql`delete from round where ended_at < ${instant(before)}`);
  await db.run(sql`
    delete from round
     where id in (
       select id
         from (select id, row_number() over (partition by sync, db order by ended_at desc, id desc) as place
                 from round) ranked
        where place > ${countMax}::integer)
  `);
};
