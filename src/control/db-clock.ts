/** Table `db_clock`: how the clocks of sources differ from that of the control database. */
import type { DatabaseId } from '../model/topology.ts';
import { sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { decimal, integerAs, row, timestamp } from './row.ts';

export interface DbClock {
  readonly databaseId: DatabaseId;
  /** Behind is negative. */
  readonly aheadMs: number;
  /** It may be so much more or less. */
  readonly errorMs: number;
  /** What is taken off the times of changes there. */
  readonly correctedMs: number;
}

const clockRow = row({
  databaseId: integerAs<DatabaseId>(),
  aheadMs: decimal,
  errorMs: decimal,
  correctedMs: decimal,
  measuredAt: timestamp,
});

export type StoredDbClock = ReturnType<typeof clockRow>;

export const writeDbClock = (db: Db, { databaseId, aheadMs, errorMs, correctedMs }: DbClock): Promise<void> =>
  db.run(sql`
    insert into db_clock (db, ahead_ms, error_ms, corrected_ms)
    values (
      ${databaseId}::integer, ${aheadMs}::double precision, ${errorMs}::double precision,
      ${correctedMs}::double precision
    )
    on conflict (db) do update
       set ahead_ms = excluded.ahead_ms, error_ms = excluded.error_ms,
           corrected_ms = excluded.corrected_ms, measured_at = excluded.measured_at
  `);

export const listDbClocks = (db: Db): Promise<StoredDbClock[]> =>
  db.many(
    clockRow,
    sql`
      select db as "databaseId", ahead_ms as "aheadMs", error_ms as "errorMs", corrected_ms as "correctedMs",
             measured_at as "measuredAt"
        from db_clock
       order by db
    `,
  );

/** What the clock of the control database says, in milliseconds since 1970. */
export const askControlTime = async (db: Db): Promise<number> => {
  const { ms } = await db.one(
    row({ ms: decimal }),
    sql`select extract(epoch from clock_timestamp()) * 1000 as ms`,
  );
  return ms;
};
