/** Time, handed to whoever needs it, so that a test can hold it still. */
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
  sleep(durationMs, signal) {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, Math.min(durationMs, longestTimerMs));
      signal?.addEventListener('abort', end);
    });
  },
};
