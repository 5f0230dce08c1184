/**
 * How long those that do something together wait for each other.
 *
 * Who keeps at least half of them waiting uses up patience with it. Patience grows with the time that all have spent: who is somewhat
 * slower may stay, who makes the others twice as slow may not.
 */

/** So long at any rate: a lock or a busy disk may take that. */
const graceMs = 3_000;

export class Patience<T> {
  readonly #startedAt = performance.now();
  readonly #usedMs = new Map<T, number>();

  /**
   * Returns when each has done its part or is waited for no longer.
   * @param parts what some have still to do; they do not reject
   * @param count how many they all are, with those that have done theirs
   * @returns those that are given up
   */
  async wait(parts: ReadonlyMap<T, Promise<unknown>>, count: number): Promise<T[]> {
    const missing = new Map([...parts].map(([one, part]) => [one, part.then(() => one)]));
    const givenUp: T[] = [];
    while (missing.size > 0) {
      const from = performance.now();
      const isWaitedFor = missing.size * 2 <= count;
      const slowest = this.#slowest([...missing.keys()]);
      const done = await firstOf([...missing.values()], isWaitedFor ? this.#leftMs(slowest) : null);
      const tookMs = performance.now() - from;
      if (isWaitedFor) for (const one of missing.keys()) this.#usedMs.set(one, this.#used(one) + tookMs);
      if (done === null) givenUp.push(slowest);
      missing.delete(done ?? slowest);
    }
    return givenUp;
  }

  #used(one: T): number {
    return this.#usedMs.get(one) ?? 0;
  }

  /** Who has used up most. */
  #slowest(some: readonly T[]): T {
    return some.reduce((one, other) => (this.#used(other) > this.#used(one) ? other : one));
  }

  /** How long it may still be waited for from now on. Half of that time comes in addition while it passes. */
  #leftMs(one: T): number {
    const allowedMs = graceMs + (performance.now() - this.#startedAt) / 2;
    return Math.max(2 * (allowedMs - this.#used(one)), 0);
  }
}

/** Null when the time is over before. */
const firstOf = async <T>(all: readonly Promise<T>[], withinMs: number | null): Promise<T | null> => {
  if (withinMs === null) return Promise.race(all);
  const { promise, resolve } = Promise.withResolvers<null>();
  const timer = setTimeout(resolve, withinMs, null);
  try {
    return await Promise.race([...all, promise]);
  } finally {
    clearTimeout(timer);
  }
};
