/** Time, handed to whoever needs it, so that a test can hold it still. */
import { setTimeout as timeout } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since 1970, for people to read. It may be set back or forward at any moment. */
  now(): number;
  /** Milliseconds of a clock that nobody sets: only differences mean something. It may stand while the machine sleeps. */
  elapsed(): number;
  /** Returns after the time, or at once when the signal aborts: the caller looks at the signal. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
}

/** A longer timer would end at once. */
const longestTimerMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  async sleep(durationMs, signal) {
    try {
      await timeout(Math.min(durationMs, longestTimerMs), undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      if (signal?.aborted !== true) throw error;
    }
  },
};
