/** What a scenario is, and what it works with. */
import type { Arena } from './arena.ts';
import type { Figure } from './figure.ts';

export interface Bench {
  /** How often everything is measured. */
  readonly repetitions: number;
  /** Fresh databases of these names; those that begin with A are on the first server, the others on the second. */
  readonly arena: (...names: readonly string[]) => Promise<Arena>;
  /** What is going on, for who waits. */
  readonly say: (text: string) => void;
}

export interface Scenario {
  readonly name: string;
  /** For the list, one line. */
  readonly about: string;
  readonly run: (bench: Bench) => Promise<Figure[]>;
}

/** Runs the work as often as the bench asks, and keeps what it says, in order. */
export const repeat = async <T>(
  { repetitions, say }: Bench,
  name: string,
  work: (repetition: number) => Promise<T>,
): Promise<T[]> => {
  const results: T[] = [];
  for (let repetition = 1; repetition <= repetitions; repetition += 1) {
    say(`${name}, ${repetition} of ${repetitions}`);
    results.push(await work(repetition));
  }
  return results;
};

/** Seconds that the work takes. */
export const secondsOf = async (work: () => Promise<unknown>): Promise<number> => {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
};
