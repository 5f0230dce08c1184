/**
 * The second line behind the checks that every command makes first: two commands at the same moment can both pass
 * them, and then a constraint of the control schema refuses the later one. Found by the constraint's name.
 */
import { type ErrorCode, isReplicationError, ReplicationError } from '../model/errors.ts';

interface Violation {
  readonly code: ErrorCode;
  readonly message: string;
}

const addedTwice = (kind: string): Violation => ({
  code: 'already_exists',
  message: `A ${kind} of this name was added at the same moment by another command.`,
});

const badName = (kind: string): Violation => ({
  code: 'name_invalid',
  message: `The name of the ${kind} is not allowed.`,
});

const changedTogether = (what: string): Violation => ({
  code: 'in_use',
  message: `Another command changed ${what} at the same moment.`,
});

const violations: Readonly<Record<string, Violation>> = {
  db_name_key: addedTwice('database'),
  dbgroup_name_key: addedTwice('dbgroup'),
  relgroup_name_key: addedTwice('relgroup'),
  sync_name_key: addedTwice('sync'),
  db_name_form: badName('database'),
  dbgroup_name_form: badName('dbgroup'),
  relgroup_name_form: badName('relgroup'),
  sync_name_form: badName('sync'),
  sync_name_reserved: badName('sync'),
  dbgroup_member_dbgroup: changedTogether('the dbgroup'),
  dbgroup_member_db: changedTogether('a database of the dbgroup'),
  relgroup_member_relgroup: changedTogether('the relgroup'),
  relgroup_member_relation: changedTogether('a table or sequence of the relgroup'),
  sync_dbgroup: changedTogether('the dbgroup of the sync'),
  sync_relgroup: changedTogether('the relgroup of the sync'),
  dbgroup_member_pkey: {
    code: 'usage',
    message: 'A database is named twice among the members of the dbgroup.',
  },
  relgroup_member_pkey: { code: 'usage', message: 'A table or sequence is named twice in the relgroup.' },
};

/** The failure under its own name where a constraint of ours reported it; else as it came. */
export const nameViolation = (error: unknown): unknown => {
  if (!isReplicationError(error)) return error;
  const violation = violations[String(error.facts['constraint'])];
  return violation === undefined
    ? error
    : new ReplicationError(violation.code, { message: violation.message, facts: error.facts, cause: error });
};
