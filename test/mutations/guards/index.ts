/**
 * The lines on which the invariants rest, and for each the test that fails when it is gone. `guards.test.ts` sees to it that the
 * lines and the tests exist and that every test in docs/invariants.md has one; `npm run mutate` takes the lines out.
 */
import { connectorGuards } from './connectors.ts';
import { daemonGuards } from './daemon.ts';
import type { Guard } from './guard.ts';
import { replicationGuards } from './replication.ts';

export const guards: readonly Guard[] = [...connectorGuards, ...replicationGuards, ...daemonGuards];
