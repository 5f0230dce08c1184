/** From a failure to what a lane does next. Pure: one table of rules, by the code of the error. */
import { type ErrorCode, isReplicationError, type ReplicationError } from '../model/errors.ts';

export type NextStep =
  /** Somebody was in the way for a moment. */
  | { readonly kind: 'soon' }
  /** At growing intervals. */
  | { readonly kind: 'later' }
  /** When the database answers again. */
  | { readonly kind: 'reachable'; readonly database: string }
  /** A person has to remove the cause; the lane looks by itself whether that has happened. */
  | { readonly kind: 'look_again'; readonly afterMs: number }
  /** A person has to decide: the sync is paused. */
  | { readonly kind: 'pause' }
  /** Not an expected failure. */
  | { readonly kind: 'bug'; readonly afterMs: number };

const passing: ReadonlySet<ErrorCode> = new Set([
  'given_way',
  'left_behind',
  'fenced',
  'lease_lost',
  'table_altered',
  'interrupted',
]);
const unreachable: ReadonlySet<ErrorCode> = new Set([
  'database_unreachable',
  'database_missing',
  'access_denied',
  'tls_failed',
]);

/** They would pass by themselves one day, as if nothing had been: the sync rests until somebody has decided. */
const decidedByPerson: ReadonlySet<ErrorCode> = new Set(['conflict_abort', 'position_lost']);

/** How often a round gives way and comes back at once before it keeps a distance. */
const soonCountMax = 5;
const lookAgainMs = 10_000;
export const afterBugMs = 60_000;

/** @param failureCount failures in a row, this one included */
export const decideNext = (error: unknown, failureCount: number): NextStep => {
  if (!isReplicationError(error)) return { kind: 'bug', afterMs: afterBugMs };
  if (decidedByPerson.has(error.code)) return { kind: 'pause' };
  const database = databaseOf(error);
  if (isUnreachable(error) && database !== null) return { kind: 'reachable', database };
  if (passing.has(error.code) && failureCount <= soonCountMax) return { kind: 'soon' };
  return error.retry === 'backoff' ? { kind: 'later' } : { kind: 'look_again', afterMs: lookAgainMs };
};

/** The failure is about the connection to a database, not about what was asked of it. */
export const isUnreachable = (error: ReplicationError): boolean => unreachable.has(error.code);

/** The name of the database on which it happened. */
const databaseOf = ({ facts }: ReplicationError): string | null => {
  const database = facts['database'];
  return typeof database === 'string' && database !== '' ? database : null;
};

/** Of several failures of one round the one that decides what happens next: what needs a person comes first. */
export const gravest = (errors: readonly unknown[], failureCount: number): unknown =>
  errors.reduce((worst, error) =>
    gravity[decideNext(error, failureCount).kind] > gravity[decideNext(worst, failureCount).kind]
      ? error
      : worst,
  );

const gravity: Readonly<Record<NextStep['kind'], number>> = {
  soon: 0,
  reachable: 1,
  later: 2,
  look_again: 3,
  bug: 4,
  pause: 5,
};
