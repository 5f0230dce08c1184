/**
 * How long to wait before the next attempt: a random time below a limit that doubles with each failure ("full
 * jitter"), so that many who failed together do not come back together.
 */
export interface BackoffOptions {
  /** The limit of the first wait. */
  readonly firstMs: number;
  /** The limit stops growing here. */
  readonly lastMs: number;
  /** From 0 to below 1, as `Math.random`. */
  readonly random: () => number;
}

export interface Backoff {
  /** The wait before the next attempt, in milliseconds. */
  next(): number;
  /** After a success: the next failure is the first again. */
  reset(): void;
}

export const createBackoff = ({ firstMs, lastMs, random }: BackoffOptions): Backoff => {
  let limitMs = firstMs;
  return {
    next() {
      const waitMs = Math.round(random() * Math.min(limitMs, lastMs));
      limitMs = Math.min(limitMs * 2, lastMs);
      return waitMs;
    },
    reset() {
      limitMs = firstMs;
    },
  };
};
