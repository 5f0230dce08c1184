/** A seed from beginning to end: planned, played and checked. */
import type { Arena } from './arena.ts';
import { check, type Findings } from './check.ts';
import { describePlan, type Plan, type Step } from './plan.ts';
import { play } from './player.ts';
import { namesOf } from './verdicts.ts';

export interface Simulated extends Findings {
  readonly plan: Plan;
  readonly trace: readonly string[];
}

export const simulate = async (arena: Arena, plan: Plan): Promise<Simulated> => {
  const { chronicles, trace, troubles, syncs } = await play(arena, plan);
  const names = namesOf(arena.databases.values());
  const findings = check({
    chronicles,
    tables: plan.tables,
    equal: chronicles.length === 0 ? {} : plan.equal,
    syncs: new Map(syncs.map(({ id, eras, tables }) => [id, { names, eras, tables }])),
    isLatestOnly: (table) => strategiesOf(plan, table).every((strategy) => strategy === 'bucardo_latest'),
    isRing: plan.isRing,
    departed: new Set(leaving(plan).map(({ database }) => database)),
    unread: new Set(leaving(plan).flatMap(({ database, isSettled }) => (isSettled ? [] : [database]))),
  });
  return { ...findings, faults: [...troubles, ...findings.faults], plan, trace };
};

const leaving = ({ steps }: Plan): Extract<Step, { readonly kind: 'leave' }>[] =>
  steps.filter((step) => step.kind === 'leave');

/** All that a table has ever had. */
const strategiesOf = ({ syncs, steps }: Plan, table: string): string[] => [
  ...syncs.flatMap(({ strategy, tableStrategies }) => [tableStrategies[table] ?? strategy, strategy]),
  ...steps.flatMap((step) => (step.kind === 'strategy' ? [step.strategy] : [])),
];

/** For people: what was played, what is wrong, and how to see it again. */
export const describeFailure = ({ plan, trace, faults }: Simulated, lineCount = 60): string =>
  [
    describePlan(plan),
    `  the script${trace.length > lineCount ? `, its last ${lineCount} lines` : ''}:`,
    ...trace.slice(-lineCount).map((line) => `    ${line}`),
    '  what is wrong:',
    ...faults.slice(0, 20).map((fault) => `    ${fault}`),
    `  again: npm run simulate -- --seed ${plan.seed}`,
  ].join('\n');
