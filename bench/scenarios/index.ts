/** All scenarios, in the order in which they run. */
import type { Scenario } from '../scenario.ts';
import { bloat } from './bloat.ts';
import { copy } from './copies.ts';
import { drainScenarios } from './drains.ts';
import { fullCopy } from './full-copies.ts';
import { fleet } from './fleet.ts';
import { latency } from './latency.ts';
import { manyTables } from './many-tables.ts';
import { masters } from './masters.ts';
import { memory } from './memory.ts';
import { merging } from './merging.ts';
import { overheadScenarios } from './overhead.ts';
import { restScenarios } from './rest.ts';
import { scaleScenarios } from './scale.ts';
import { shaped } from './shaped.ts';
import { slowLine } from './slow-line.ts';
import { writers } from './writers.ts';

export const scenarios: readonly Scenario[] = [
  ...drainScenarios,
  masters,
  latency,
  ...overheadScenarios,
  writers,
  copy,
  fullCopy,
  shaped,
  merging,
  ...scaleScenarios,
  manyTables,
  ...restScenarios,
  fleet,
  memory,
  bloat,
  slowLine,
];
