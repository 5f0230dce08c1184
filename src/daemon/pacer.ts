/**
 * Whose turn it is and why: what a lane was told, and what keeps it from running (see `schedule.ts`).
 *
 * The block is
 * - none: runs when it is woken;
 * - rest: runs when it is woken, but not before then;
 * - until: runs then, or when it is hurried;
 * - told: runs only when it is hurried.
 */
import type { Clock } from '../runtime/clock.ts';
import { Bell } from '../runtime/bell.ts';
import { type Block, nextRoundAt } from './schedule.ts';

/** Null: everything went well. */
export type RoundResult = unknown;

/** A turn, with those who wait for its result. */
export interface Turn {
  readonly isKicked: boolean;
  readonly answer: (result: RoundResult) => void;
}

export class Pacer {
  readonly #clock: Clock;
  readonly #bell: Bell;
  #block: Block = { kind: 'none' };
  #isWanted: boolean;
  #isUrgent = false;
  #kicks: ((result: RoundResult) => void)[] = [];

  /** @param isWanted there may be changes from before the first round */
  constructor(clock: Clock, isWanted: boolean) {
    this.#clock = clock;
    this.#isWanted = isWanted;
    this.#bell = new Bell(clock);
  }

  /** There may be changes. */
  wake(): void {
    this.#isWanted = true;
    this.#bell.ring();
  }

  /** Something has changed for the better: no use in waiting. */
  hurry(): void {
    this.#isUrgent = true;
    this.#bell.ring();
  }

  /** Something is in the way of a round that is to be. */
  get isHeldUp(): boolean {
    return this.#block.kind === 'until' || this.#block.kind === 'told';
  }

  /** The result of a turn that begins after this call. */
  kick(): Promise<RoundResult> {
    const { promise, resolve } = Promise.withResolvers<RoundResult>();
    this.#kicks.push(resolve);
    this.hurry();
    return promise;
  }

  /** From now on this is in the way; `none` clears it. */
  block(block: Block): void {
    this.#block = block;
  }

  /** Waits for the next turn; null when the signal aborts. What comes while it is under way makes another one. */
  async next(signal: AbortSignal): Promise<Turn | null> {
    while (!signal.aborted) {
      const now = this.#clock.elapsed();
      const at = nextRoundAt({ isWanted: this.#isWanted, isUrgent: this.#isUrgent, block: this.#block }, now);
      if (at !== null && at <= now) return this.#begin();
      await this.#bell.wait(at === null ? null : at - now, signal);
    }
    return null;
  }

  /** There will be no turn any more. */
  end(result: RoundResult): void {
    for (const answer of this.#kicks.splice(0)) answer(result);
  }

  #begin(): Turn {
    this.#isWanted = false;
    this.#isUrgent = false;
    const kicks = this.#kicks.splice(0);
    return { isKicked: kicks.length > 0, answer: (result) => kicks.forEach((answer) => answer(result)) };
  }
}
