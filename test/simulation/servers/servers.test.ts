/**
 * The simulation in the size of a test: always the same seeds, so that it says the same today and tomorrow. `npm run simulate` plays others.
 *
 * Seen to fail, from seed 1 on: where what is known counts for nothing (at the 2nd seed), changed keys are not noted (3rd), conflicts are
 * not recorded (5th), segments are emptied without asking (10th), choices are not sent on (11th), versions that are brought are noted only
 * where they meet an own change (15th), own changes that a round has seen are not hidden by what it brings (20th).
 */
import { expect, it } from 'vitest';
import { testSeed } from '../../support/history.ts';
import { type Arena, openArenas } from './arena.ts';
import { planOf } from './script.ts';
import { describeFailure, simulate } from './simulate.ts';

const seedCount = 200;
const sideBySide = 3;

// Fails when what is known counts for nothing (npm run mutate).
it(`${seedCount} random histories end equal, lose nothing that is not recorded, and invent nothing`, {
  timeout: 1_800_000,
}, async () => {
  await using arenas = await openArenas(sideBySide);
  let next = testSeed() * 1000;
  const last = next + seedCount;
  const failures: string[] = [];
  const playOn = async (arena: Arena): Promise<void> => {
    while (next < last) {
      next += 1;
      const simulated = await simulate(arena, planOf(next));
      if (simulated.faults.length > 0) failures.push(describeFailure(simulated));
    }
  };
  await Promise.all(arenas.all.map(playOn));
  expect(failures.join('\n\n')).toBe('');
});
