/**
 * What waits on a source for a database that has not read it, and giving it up.
 *
 * A consumer that is released holds no deltas any more. Nothing is lost by that alone: as long as its deltas have not been truncated it reads on, and
 * is held to as before. Once they have, it has to be copied to.
 */
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';
import type { Consumer } from './consumer.ts';
import { segmentNumbers, segmentTable } from './delta.ts';

export interface Queue {
  /** What the segments take in which something waits: others may have something there as well. */
  readonly bytes: number;
  /** Of the oldest change that waits, by the clock of the source; 0 when nothing does. */
  readonly ageMs: number;
  readonly isReleased: boolean;
}

/** Null where it is not registered. It looks at the first of each segment and counts nothing, so it costs the same for a long queue. */
export const readQueue = async (
  session: Session,
  schema: string,
  { sync, database }: Consumer,
): Promise<Queue | null> => {
  const shapes = await session.query(sql`select id from ${sql.id(schema, 'shape')}`);
  const segments = shapes.flatMap(({ id }) =>
    segmentNumbers.map((segment) => segmentTable(schema, Number(id), segment)),
  );
  const found = segments.map(
    (segment) => sql`
      select pg_relation_size(${sql.literal(segment.inlined())}::regclass) as bytes, d.at
        from ${segment} d
       where d.tbl = any (c.tables)
         and (d.xid >= pg_snapshot_xmax(c.acked) or d.xid = any (array(select pg_snapshot_xip(c.acked))))
       limit 1`,
  );
  const [row] = await session.query(sql`
    select c.released, q.bytes, q.age_ms
      from ${sql.id(schema, 'consumer')} c
     cross join lateral (
       select coalesce(sum(w.bytes), 0) as bytes,
              coalesce(extract(epoch from clock_timestamp() - min(w.at)) * 1000, 0) as age_ms
         from (${sql.join(
           found.map((one) => sql`(${one})`),
           ' union all ',
         )}) w) q
     where c.sync = ${sync}::uuid and c.database = ${database}::integer`);
  if (row === undefined) return null;
  return {
    bytes: Number(row['bytes']),
    ageMs: Math.max(0, Number(row['age_ms'])),
    isReleased: row['released'] === 't',
  };
};

export const releaseConsumer = async (
  session: Session,
  schema: string,
  { sync, database }: Consumer,
): Promise<void> => {
  await session.query(sql`
    update ${sql.id(schema, 'consumer')} set released = true
     where sync = ${sync}::uuid and database = ${database}::integer and not released`);
};
