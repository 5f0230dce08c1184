/**
 * What things may be called. The check constraints of the control schema hold the same rules; here they become
 * sentences.
 */
import { ReplicationError } from '../model/errors.ts';

/** Words that `tahr` reads as something else where a sync is named. */
const reservedSyncNames: ReadonlySet<string> = new Set(['pushdelta', 'fullcopy', 'swap', 'sync']);

/** @throws ReplicationError `name_invalid` */
export const checkName = (kind: 'database' | 'dbgroup' | 'sync', name: string): void => {
  if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) {
    throw invalid(kind, name, 'it must be a letter, followed by letters, digits and underscores');
  }
  if (kind === 'sync' && reservedSyncNames.has(name.toLowerCase())) {
    throw invalid(kind, name, 'the word is reserved');
  }
};

/** The name of a relgroup is free, but not empty. @throws ReplicationError `name_invalid` */
export const checkRelGroupName = (name: string): void => {
  if (name.trim() === '') throw invalid('relgroup', name, 'it is empty');
};

const invalid = (kind: string, name: string, why: string): ReplicationError =>
  new ReplicationError('name_invalid', {
    message: `The ${kind} name ${JSON.stringify(name)} is not allowed: ${why}.`,
    facts: { kind, name },
  });

/** The thing that a command named is not there. */
export const notFound = (kind: string, name: string, listing: string): ReplicationError =>
  new ReplicationError('not_found', {
    message: `There is no ${kind} named ${JSON.stringify(name)}.`,
    hint: `\`tahr list ${listing}\` shows what there is.`,
    facts: { kind, name },
  });

/** The name that a command gives is taken. */
export const alreadyExists = (kind: string, name: string): ReplicationError =>
  new ReplicationError('already_exists', {
    message: `A ${kind} named ${JSON.stringify(name)} exists already.`,
    facts: { kind, name },
  });

/** The thing cannot go, because others, given as `dbgroup g` and so on, refer to it. */
export const inUse = (kind: string, name: string, users: readonly string[]): ReplicationError =>
  new ReplicationError('in_use', {
    message: `The ${kind} ${JSON.stringify(name)} is still used by ${users.join(', ')}.`,
    hint: `Remove it from ${users.join(', ')} first, or remove what uses it.`,
    facts: { kind, name, users: users.join(', ') },
  });
