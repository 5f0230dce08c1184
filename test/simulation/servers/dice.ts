/** Choices of a generator, all from one seed. */
import { type Random, randomFrom, someOf } from '../../support/history.ts';

export interface Dice {
  chance(probability: number): boolean;
  /** From 0 to `count - 1`. */
  below(count: number): number;
  /** From `min` to `max`, both included. */
  between(min: number, max: number): number;
  pick<T>(all: readonly [T, ...T[]]): T;
  /** @throws Error when there is nothing to choose from */
  of<T>(all: readonly T[]): T;
  /** One of the names, each as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K;
  some<T>(all: readonly T[], probability: number): T[];
  shuffled<T>(all: readonly T[]): T[];
}

export const diceOf = (seed: number): Dice => {
  const random: Random = randomFrom(seed);
  const below = (count: number): number => Math.floor(random() * count);
  const of = <T>(all: readonly T[]): T => {
    if (all.length === 0) throw new Error('nothing to choose from');
    return all[below(all.length)] as T;
  };
  return {
    chance: (probability) => random() < probability,
    below,
    between: (min, max) => min + below(max - min + 1),
    pick: (all) => of(all),
    of,
    weighted(weights) {
      const entries = Object.entries(weights) as [keyof typeof weights, number][];
      let left = random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
      const found = entries.find(([, weight]) => {
        left -= weight;
        return left < 0;
      });
      if (found === undefined) throw new Error('nothing to choose from');
      return found[0];
    },
    some: (all, probability) => someOf(all, random, probability),
    shuffled: (all) =>
      all
        .map((item) => ({ item, place: random() }))
        .sort((a, b) => a.place - b.place)
        .map(({ item }) => item),
  };
};
