/** The model check in the size of a test; `npm run model` runs it a hundred times as long, and prints its figures. */
import { describe, expect, it } from 'vitest';
import { type Rule, simulate } from './gang-model.ts';
import { choicesFor } from './strategies.ts';

const seedCount = 1_000;

const choiceOf = (sourceCount: number, name: string) => {
  const choice = choicesFor(sourceCount).get(name);
  if (choice === undefined) throw new Error(`no strategy ${name}`);
  return choice;
};
const latest = (sourceCount: number) => choiceOf(sourceCount, 'bucardo_latest');

describe('a gang of sources, with members away and commits that fail', () => {
  for (const sourceCount of [2, 3, 4, 5])
    for (const [name, strategy] of choicesFor(sourceCount))
      it(`of ${sourceCount} converges under ${name} and loses nothing that is not recorded`, () => {
        for (const hasTarget of [true, false])
          for (let seed = 1; seed <= seedCount; seed += 1) {
            const { isEqual, isTargetEqual, lostCount, trace } = simulate({
              seed,
              sourceCount,
              hasTarget,
              strategy,
            });
            expect(
              { isEqual, isTargetEqual, lostCount },
              `seed ${seed}, ${hasTarget ? 'with' : 'without'} a target\n${trace.join('\n')}`,
            ).toEqual({ isEqual: true, isTargetEqual: true, lostCount: 0 });
          }
      });
});

it('never goes back to a version that its maker knew, where the latest change wins and the clocks agree', () => {
  for (const sourceCount of [2, 3, 4, 5])
    for (let seed = 1; seed <= seedCount; seed += 1) {
      const { wentBack, trace } = simulate({
        seed,
        sourceCount,
        hasTarget: true,
        isInOrder: true,
        strategy: latest(sourceCount),
      });
      expect(wentBack, `seed ${seed}\n${trace.join('\n')}`).toBe(false);
    }
});

describe('every rule is needed', () => {
  /** How many histories end badly. The model itself refuses a database that tells another version than it holds. */
  const badCount = (
    options: { sourceCount: number; hasTarget: boolean; without?: Rule },
    name: string,
    historyCount = 10_000,
  ): number => {
    const strategy = choiceOf(options.sourceCount, name);
    const isBad = (seed: number): boolean => {
      try {
        const { isEqual, isTargetEqual, wentBack, lostCount } = simulate({ ...options, seed, strategy });
        return !isEqual || !isTargetEqual || wentBack || lostCount > 0;
      } catch {
        return true;
      }
    };
    return Array.from({ length: historyCount }, (_, seed) => seed).filter(isBad).length;
  };

  it.each([
    ['notesAll', 'bucardo_latest'],
    ['notesChoices', 'bucardo_latest_table'],
    ['inheritsPositions', 'bucardo_source'],
  ] as const)('%s: three sources go wrong without it', (without, name) => {
    const options = { sourceCount: 3, hasTarget: false };
    expect(badCount({ ...options, without }, name)).toBeGreaterThan(badCount(options, name) + 3);
  });

  it.each([
    ['notesAll', 'bucardo_latest'],
    ['forgetsWhatOthersLack', 'bucardo_latest'],
    ['looksAtUnsettled', 'bucardo_latest_table'],
  ] as const)('%s: a target goes wrong without it', (without, name) => {
    expect(badCount({ sourceCount: 2, hasTarget: true, without }, name, 20_000)).toBeGreaterThan(0);
  });
});
