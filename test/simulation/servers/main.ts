/**
 * The long simulation: `npm run simulate -- [--minutes N] [--seed S] [--count N] [--shrink]`.
 *
 * With a seed alone it plays that one and prints everything; otherwise one after the other from the seed on (or from the time of day), until
 * the time is over or so many have been played. Failing seeds are printed as they come; the exit code says if there were any.
 * `--shrink` then looks for the smallest script that still fails.
 */
import { parseArgs } from 'node:util';
import { type Arena, openArenas } from './arena.ts';
import { describePlan } from './plan.ts';
import { planOf } from './script.ts';
import { shrink } from './shrink.ts';
import { describeFailure, type Simulated, simulate } from './simulate.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seed: { type: 'string' },
    count: { type: 'string' },
    shrink: { type: 'boolean' },
  },
});
/** More than there are processors: a round mostly waits. */
const sideBySide = 3;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const first = Number(values.seed ?? Math.floor(Date.now() / 1000) * 1000);
const isOne = values.minutes === undefined && values.count === undefined;
const countMax = Number(values.count ?? (isOne ? 1 : Number.POSITIVE_INFINITY));
const endsAt =
  values.minutes === undefined ? Number.POSITIVE_INFINITY : Date.now() + Number(values.minutes) * 60_000;

const failed: number[] = [];
const total = { seeds: 0, changes: 0, conflicts: 0, wentBack: 0 };
const began = Date.now();

const tally = (one: Simulated): void => {
  total.seeds += 1;
  total.changes += one.changeCount;
  total.conflicts += one.conflictCount;
  total.wentBack += one.wentBackCount;
};
const progress = (): string => {
  const seconds = (Date.now() - began) / 1000;
  return (
    `${total.seeds} seeds in ${seconds.toFixed(0)} s (${(seconds / total.seeds).toFixed(2)} s each), ` +
    `${total.changes} changes of rows, ${total.conflicts} conflicts, ${total.wentBack} went back, ${failed.length} failed`
  );
};

await using arenas = await openArenas(isOne ? 1 : sideBySide);
let next = first;
const playOn = async (arena: Arena): Promise<void> => {
  while (next - first < countMax && Date.now() < endsAt) {
    const seed = next;
    next += 1;
    const simulated = await simulate(arena, planOf(seed));
    tally(simulated);
    if (isOne && simulated.faults.length === 0)
      say([describePlan(simulated.plan), ...simulated.trace].join('\n'));
    if (simulated.faults.length > 0) {
      failed.push(seed);
      say(describeFailure(values.shrink === true ? await shrink(arena, simulated, say) : simulated));
    }
    if (total.seeds % 50 === 0) say(`${progress()}; at seed ${seed}`);
  }
};
await Promise.all(arenas.all.map(playOn));
say(progress());
if (failed.length > 0) say(`failed: ${failed.join(' ')}`);
process.exitCode = failed.length > 0 ? 1 : 0;
