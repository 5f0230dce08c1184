/**
 * Whether the databases of a sync fit each other and the sync: every finding at once, so that an operator who
 * corrects them all is done. Reading is in `side.ts`; most checks are pure.
 */
import type { SyncDefinition } from '../model/topology.ts';
import { checkColumns } from './check-columns.ts';
import { checkFilters } from './check-filters.ts';
import { checkKeys } from './check-keys.ts';
import { checkMerges } from './check-merges.ts';
import { checkPositions } from './check-positions.ts';
import { checkSequences } from './check-sequences.ts';
import { checkServers } from './check-servers.ts';
import { checkStrictly } from './check-strictly.ts';
import { checkTables } from './check-tables.ts';
import { checkTruncation } from './check-truncation.ts';
import type { Finding } from './finding.ts';
import { type Connect, reachMembers } from './members.ts';
import { readSides, type Side } from './side.ts';

interface ValidateOptions {
  readonly connect: Connect;
  readonly schema: string;
  readonly installation: string;
}

/** Errors first; among them the databases that cannot be reached, the others being checked nevertheless. */
export const validateSync = async (
  definition: SyncDefinition,
  { connect, schema, installation }: ValidateOptions,
): Promise<Finding[]> => {
  await using reached = await reachMembers(definition, connect);
  const sides = await readSides(definition, { members: reached.members, schema, installation });
  const unreached = reached.failures.map((error) => ({ severity: 'error', error }) as const);
  const findings = await checkSync(definition, sides);
  const positions = await checkPositions(definition, sides, schema);
  return [...unreached, ...findings, ...positions].sort((a, b) => rank(a) - rank(b));
};

const rank = ({ severity }: Finding): number => (severity === 'error' ? 0 : 1);

export const checkSync = async (definition: SyncDefinition, sides: readonly Side[]): Promise<Finding[]> => [
  ...checkServers(sides),
  ...sides.flatMap(checkTables),
  ...checkKeys(sides),
  ...checkSequences(definition, sides),
  ...checkColumns(sides),
  ...checkMerges(sides),
  ...(await checkFilters(sides)),
  ...(await checkTruncation(sides)),
  ...(await checkStrictly(definition, sides)),
];
