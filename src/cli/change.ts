/**
 * A command that changes something: all of it in one transaction on the control database, and what it says is printed
 * only when that has committed. With --dry-run it is rolled back instead.
 *
 * Databases cannot be part of that transaction. What is done on them is arranged so that the control store never
 * says more than is there: what is needed is made before the commit (and taken back if that fails), what is no longer
 * needed is removed after it.
 */
import type { Db } from '../control/db.ts';
import { ExitCode } from './command.ts';
import type { Context } from './context.ts';

export type Say = (line: string) => void;

export interface Aftermath {
  /** Done when the change has been committed. */
  whenCommitted(step: () => Promise<void>): void;
  /** Done when it has not; the steps must not throw. */
  whenLost(step: () => Promise<void>): void;
}

export type Work = (db: Db, say: Say, aftermath: Aftermath) => Promise<void>;

export const change = async (context: Context, work: Work): Promise<ExitCode> => {
  const lines: string[] = [];
  const committed: (() => Promise<void>)[] = [];
  const lost: (() => Promise<void>)[] = [];
  const aftermath: Aftermath = {
    whenCommitted: (step) => void committed.push(step),
    whenLost: (step) => void lost.push(step),
  };
  const store = await context.control();
  const perform = (db: Db): Promise<void> => work(db, (line) => lines.push(line), aftermath);
  const isRehearsal = context.options.dryRun === true;
  try {
    await (isRehearsal ? store.rehearse(perform) : store.transaction(perform));
  } catch (error) {
    for (const step of lost.toReversed()) await step();
    throw error;
  }
  for (const line of lines) context.out.say(line);
  if (isRehearsal) context.out.say('Dry run: all of this was rolled back.');
  else for (const step of committed) await step();
  return ExitCode.done;
};

/** A command that only looks. */
export const look = async <T>(context: Context, work: (db: Db) => Promise<T>): Promise<T> => {
  const store = await context.control();
  return store.transaction(work);
};
