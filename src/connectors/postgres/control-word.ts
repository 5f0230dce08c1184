/**
 * The control word: a sequence that the capture triggers read without touching a row (engine rules §15, §22).
 *
 *     deadline in seconds since 1970 * 16 + off * 8 + armed * 4 + current segment (0 to 3)
 *
 * - After the deadline a trigger looks how much room the deltas take, and switches capture off if that is more than a little: a
 *   copy of the database whose daemon never comes does not fill its disk. Else it goes on for another day, because it may be
 *   the clock that was set.
 * - off: a trigger found that, or the budget exceeded. Only the daemon clears it, and then raises the floor.
 * - armed: the triggers notify. Never set where two-phase commit is in use (§14).
 *
 * A sequence is not MVCC: a new word is seen at once by every transaction, also by REPEATABLE READ ones.
 * Whoever changes a part of it holds an advisory lock meanwhile, the triggers that set `off` too (`keep_budget`).
 */
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { type SegmentNumber, segmentNumbers } from './delta.ts';

export interface ControlWord {
  /** Seconds since 1970, by the clock of the database. */
  readonly deadlineS: number;
  readonly isOff: boolean;
  readonly isArmed: boolean;
  readonly segment: SegmentNumber;
}

/** How far ahead the deadline is set; it is renewed long before. */
export const captureWithoutDaemonS = 30 * 24 * 3600;

const freshDeadline: Sql = sql`(extract(epoch from clock_timestamp())::bigint + ${sql.literal(captureWithoutDaemonS)})`;

/** A fresh deadline, not armed, segment 0. */
export const initialControlWord: Sql = sql`${freshDeadline} * 16`;

export const parseControlWord = (word: bigint): ControlWord => ({
  deadlineS: Number(word >> 4n),
  isOff: (word & 8n) !== 0n,
  isArmed: (word & 4n) !== 0n,
  segment: segmentNumbers[Number(word & 3n)] ?? 0,
});

/** The word as an expression. */
export const controlWord = (schema: string): Sql =>
  sql`pg_sequence_last_value(${sql.literal(`${schema}.control`)}::regclass)`;

export const readControlWord = async (session: Session, schema: string): Promise<ControlWord> => {
  const [row] = await session.query(sql`select ${controlWord(schema)} as word`);
  return parseControlWord(BigInt(row?.['word'] ?? 0));
};

/** The key of the advisory lock under which the word changes, so that no change loses another one made meanwhile. */
const wordLock = (schema: string): Sql => sql`hashtextextended(${sql.literal(`${schema}.control`)}, 0)`;

const change = (schema: string, word: Sql): Sql => sql`
  select setval(${sql.literal(`${schema}.control`)}::regclass, ${word})
    from pg_advisory_xact_lock(${wordLock(schema)})`;

export const arm = (schema: string): Sql => change(schema, sql`${controlWord(schema)} | 4`);
export const disarm = (schema: string): Sql => change(schema, sql`${controlWord(schema)} & ~4::bigint`);
export const useSegment = (schema: string, segment: SegmentNumber): Sql =>
  change(schema, sql`(${controlWord(schema)} & ~3::bigint) | ${sql.literal(segment)}::bigint`);
/** A fresh deadline; off stays. */
export const renewDeadline = (schema: string): Sql =>
  change(schema, sql`(${controlWord(schema)} & 15) | ${freshDeadline} * 16`);
/** A fresh deadline, and off cleared: what was written before may not have been captured. */
export const resumeCapture = (schema: string): Sql =>
  change(schema, sql`(${controlWord(schema)} & 7) | ${freshDeadline} * 16`);
