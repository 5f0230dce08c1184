/** Wakes a loop. A ring that comes while nobody waits is kept for the next wait; many are one. */
import type { Clock } from './clock.ts';

export class Bell {
  readonly #clock: Clock;
  #isRung = false;
  #answer: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  ring(): void {
    this.#isRung = true;
    this.#answer?.();
  }

  /** Returns at a ring, after the time (null: never), or when the signal aborts. */
  async wait(durationMs: number | null, signal: AbortSignal): Promise<void> {
    if (!this.#isRung && !signal.aborted) await this.#sleep(durationMs, signal);
    this.#isRung = false;
  }

  async #sleep(durationMs: number | null, signal: AbortSignal): Promise<void> {
    const rung = new AbortController();
    // With a reason of our own none is made, with its stack, for each ring.
    const end = (): void => rung.abort('rung');
    this.#answer = end;
    signal.addEventListener('abort', end, { once: true });
    await this.#clock.sleep(durationMs ?? Number.MAX_SAFE_INTEGER, rung.signal);
    signal.removeEventListener('abort', end);
    this.#answer = null;
  }
}
