/** What to do about a control database that a command cannot use: a command ends, so nothing goes on by itself. Pure. */
import { type ErrorCode, isReplicationError, ReplicationError } from '../model/errors.ts';
import { controlLabel } from './context.ts';
import type { Verb } from './grammar/verbs.ts';

const isAway: ReadonlySet<ErrorCode> = new Set(['database_unreachable', 'database_missing', 'access_denied']);

/** The failure with advice for somebody who has typed a command; any other failure as it is. */
export const withControlAdvice = (error: unknown, verb: Verb): unknown => {
  if (!isReplicationError(error) || !isAway.has(error.code)) return error;
  const { code, message, facts, cause } = error;
  if (facts['database'] !== controlLabel) return error;
  return new ReplicationError(code, { message, hint: adviceFor(verb), facts, cause });
};

const adviceFor = (verb: Verb): string => {
  const advice = 'Start that server, or name another control database with --control or TAHR_CONTROL.';
  return verb === 'start' || verb === 'restart' ? `${advice} \`tahr run\` waits for it.` : advice;
};
