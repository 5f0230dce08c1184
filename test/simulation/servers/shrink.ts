/** A failing plan made smaller: steps are left out, and parts of steps, as long as something is wrong in the end. */
import type { Arena } from './arena.ts';
import type { Plan, Step } from './plan.ts';
import { type Simulated, simulate } from './simulate.ts';

/** @param say told how far it has come */
export const shrink = async (
  arena: Arena,
  failing: Simulated,
  say: (line: string) => void,
): Promise<Simulated> => {
  let smallest = failing;
  const kind = kindOf(failing.faults[0] ?? '');
  const accept = async (plan: Plan): Promise<boolean> => {
    const tried = await simulate(arena, plan);
    if (!tried.faults.some((fault) => kindOf(fault) === kind)) return false;
    smallest = tried;
    return true;
  };
  for (let size = Math.ceil(failing.plan.steps.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let from = smallest.plan.steps.length - size; from >= 0; from -= size) {
      const { plan } = smallest;
      await accept({ ...plan, steps: plan.steps.toSpliced(from, size) });
    }
    say(`${smallest.plan.steps.length} steps`);
  }
  for (let index = smallest.plan.steps.length - 1; index >= 0; index -= 1) {
    const step = smallest.plan.steps[index];
    if (step === undefined) continue;
    for (const simpler of simplerThan(step)) {
      const { plan } = smallest;
      if (await accept({ ...plan, steps: plan.steps.with(index, simpler) })) break;
    }
  }
  return smallest;
};

/** What is wrong, without saying where. */
const kindOf = (fault: string): string =>
  ['differs', 'has lost', 'went back', 'nobody', 'was won by', 'several winners', 'is none'].find((words) =>
    fault.includes(words),
  ) ?? fault.replace(/:.*/s, '');

/** The same with less in it, the simplest first. */
const simplerThan = (step: Step): Step[] => {
  if (step.kind === 'round')
    return [
      { ...step, during: [], fault: null },
      { ...step, during: [] },
      { ...step, fault: null },
    ];
  if (step.kind !== 'write') return [];
  const inner = step.statements
    .map((_, index) => index)
    .filter((index) => isPlain(step.statements[index] ?? ''));
  return [
    ...inner.map((kept) => ({
      ...step,
      statements: step.statements.filter((_, index) => index === kept || !inner.includes(index)),
    })),
    ...inner.map((index) => ({ ...step, statements: step.statements.toSpliced(index, 1) })),
  ];
};

/** Neither a beginning nor an end of something. */
const isPlain = (statement: string): boolean =>
  !/^(begin|commit|rollback|prepare|savepoint|release)\b/.test(statement);
