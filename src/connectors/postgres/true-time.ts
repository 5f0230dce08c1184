/**
 * By how much the clock of a database is ahead of the control database's, and what that makes of the times of its changes.
 *
 * A change is noted with the time of its own server. Whoever compares it with the change of another has to correct it in the same way
 * wherever that is done, or two databases would decide differently. So a correction is for the deltas from a place in their order on, is visible to
 * everybody who can see one of them, and is never changed: table `clock`.
 */
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';

/** Further than deltas come while a correction is being written, which is the only time at which their order jumps. */
const jump = 1_000_000_000n;

/** The time of a change that was made on this database, by the control database's clock. Where nothing was ever corrected it costs nothing. */
export const trueTime = (schema: string, { seq, at }: { readonly seq: Sql; readonly at: Sql }): Sql => {
  const clock = sql.id(schema, 'clock');
  return sql`case when (select exists (select from ${clock}))
    then ${at} - coalesce((select c.ahead from ${clock} c where c.since_seq <= ${seq} order by c.since_seq desc limit 1), '0')
    else ${at} end`;
};

/** As it is corrected now, in milliseconds; behind is negative. */
export const selectAhead = (schema: string): Sql =>
  sql`select extract(epoch from (select c.ahead from ${sql.id(schema, 'clock')} c order by c.since_seq desc limit 1)) * 1000 as ahead_ms`;

export const decodeAhead = (text: string | null | undefined): number => Number(text ?? 0);

export const readAhead = async (session: Session, schema: string): Promise<number> =>
  decodeAhead((await session.query(selectAhead(schema)))[0]?.['ahead_ms']);

/**
 * Changes are corrected by this from now on. Deltas reach the place from which it holds only when it is committed, so nobody sees one of
 * them and not the correction.
 */
export const correctClock = async (session: Session, schema: string, aheadMs: number): Promise<void> => {
  const seq = sql`${sql.literal(sql.id(schema, 'seq').inlined())}::pg_catalog.regclass`;
  const [, , row] = await session.script(
    sql`begin`,
    sql`lock table ${sql.id(schema, 'clock')} in share row exclusive mode`,
    sql`
    insert into ${sql.id(schema, 'clock')} (since_seq, ahead)
    select last_value + ${jump}::bigint, pg_catalog.make_interval(secs => ${aheadMs}::double precision / 1000)
      from ${sql.id(schema, 'seq')}
    returning since_seq`,
    sql`commit`,
  );
  await session.script(sql`select pg_catalog.setval(${seq}, ${row?.[0]?.['since_seq'] ?? null}::bigint)`);
};

/** What the clock of the server says, in milliseconds since 1970. */
export const askTime = async (session: Session): Promise<number> => {
  const [row] = await session.query(
    sql`select extract(epoch from pg_catalog.clock_timestamp()) * 1000 as ms`,
  );
  return Number(row?.['ms']);
};
