/**
 * Keeps capture going (engine rule §22): renews its deadline, and begins again where a trigger had switched it off, because no
 * daemon came for a month or because the deltas outgrew their budget. A deadline that has passed says nothing by itself: the
 * first trigger behind it decides whether capture goes on.
 *
 * Beginning again makes a gap, so the floor is raised: positions from before can no longer be served. A crash between
 * the steps must not hide the gap, so a floor that no position reaches is stored first, and lowered at the end to the
 * transactions that had begun by then.
 */
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import {
  captureWithoutDaemonS,
  controlWord,
  parseControlWord,
  renewDeadline,
  resumeCapture,
} from './control-word.ts';

export type CaptureState = 'going' | 'renewed' | 'resumed';

const renewBeforeS = 20 * 24 * 3600;

/** Beyond every transaction id; its lower half must be an ordinary one. */
const unreachableXid = 2n ** 62n + 3n;

export const keepCapturing = async (session: Session, schema: string): Promise<CaptureState> => {
  const [row] = await session.query(sql`
    select ${controlWord(schema)} as word, extract(epoch from clock_timestamp())::bigint as now,
           (select pg_snapshot_xmax(f.pos) = ${unreachableXid}::text::xid8
              from ${sql.id(schema, 'floor')} f order by f.seq desc limit 1) as is_resuming`);
  const { deadlineS, isOff } = parseControlWord(BigInt(row?.['word'] ?? 0));
  if (isOff || row?.['is_resuming'] === 't') {
    await resume(session, schema);
    return 'resumed';
  }
  const leftS = deadlineS - Number(row?.['now']);
  // One that lies further ahead than it is ever set was set by another clock.
  if (leftS > renewBeforeS && leftS <= captureWithoutDaemonS) return 'going';
  await session.script(renewDeadline(schema));
  return 'renewed';
};

const resume = async (session: Session, schema: string): Promise<void> => {
  const unreachable = sql`(${`${unreachableXid}:${unreachableXid}:`})::pg_snapshot`;
  await session.script(raiseFloor(schema, unreachable));
  await session.script(resumeCapture(schema));
  // Whoever is in progress now may have written uncaptured: a position must have seen it ended, hence no xip.
  const reached = sql`(select format('%s:%s:', x, x)::pg_snapshot from pg_snapshot_xmax(pg_current_snapshot()) x)`;
  await session.script(
    sql`begin`,
    raiseFloor(schema, reached),
    sql`delete from ${sql.id(schema, 'floor')} where seq < (select max(seq) from ${sql.id(schema, 'floor')})`,
    // What is in the deltas is of no use to anybody any more and may go.
    sql`update ${sql.id(schema, 'consumer')} set acked = pg_current_snapshot()`,
    sql`commit`,
  );
};

const raiseFloor = (schema: string, snapshot: Sql): Sql => sql`
  insert into ${sql.id(schema, 'floor')} (seq, pos)
  select coalesce(max(seq), 0) + 1, ${snapshot} from ${sql.id(schema, 'floor')}`;
