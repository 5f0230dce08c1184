/** Work that nobody waits for, and work of which one part must not keep the others from being done. */
import { isReplicationError } from '../model/errors.ts';
import type { Log } from '../runtime/log.ts';
import { gravest, isUnreachable } from './retry.ts';

/**
 * Begins the work; what it returns never rejects, for a promise that fails unseen ends the process. A failure is
 * logged, so whoever uses this sees to it that what has failed is done again.
 */
export const inBackground = async (name: string, work: () => Promise<unknown>, log: Log): Promise<void> => {
  try {
    await work();
  } catch (error) {
    log[levelOf(error)](`${name} failed`, { error });
  }
};

/** Anything that is no expected failure is a bug; that something is away is told by those who connect to it. */
export const levelOf = (error: unknown): 'debug' | 'warn' | 'error' => {
  if (!isReplicationError(error)) return 'error';
  return isUnreachable(error) ? 'debug' : 'warn';
};

/**
 * Does the work for each, one after the other, also when it has failed for one.
 * @throws the gravest of the failures, when all have had their turn
 */
export const forEachInTurn = async <T>(
  items: Iterable<T>,
  work: (item: T) => Promise<void>,
): Promise<void> => {
  const errors: unknown[] = [];
  for (const item of items) await work(item).catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw gravest(errors, 1);
};
