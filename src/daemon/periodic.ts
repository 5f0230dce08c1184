/** Work that is done again and again until a signal aborts. */
import { isReplicationError } from '../model/errors.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { levelOf } from './background.ts';

export interface Periodic {
  readonly name: string;
  readonly everyMs: number;
  readonly work: (signal: AbortSignal) => Promise<void>;
}

export interface Surroundings {
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Returns when the signal has aborted and the work at hand is done. A failure is logged when it is another one than
 * the time before, and the work is done again at its time. That something is away is told by those who connect to it.
 */
export const repeat = async (
  { name, everyMs, work }: Periodic,
  { clock, log, signal }: Surroundings,
): Promise<void> => {
  let told = '';
  while (!signal.aborted) {
    await clock.sleep(everyMs, signal);
    if (signal.aborted) return;
    try {
      await work(signal);
      told = '';
    } catch (error) {
      const seen = isReplicationError(error) ? error.code : String(error);
      if (seen !== told) log[levelOf(error)](`${name} failed`, { error });
      told = seen;
    }
  }
};
