/** Checks of a sync that need no look at its databases. Pure. */
import type { SyncDefinition } from '../model/topology.ts';
import { errorFinding, type Finding } from './finding.ts';
import { isSource } from './members.ts';

/** The rule by which conflicts are decided is proven for two (`replication/plan/convergence.test.ts`). */
const sourceCountMax = 2;

export const checkMembers = ({ members, name }: SyncDefinition): Finding[] =>
  members
    .filter(isSource)
    .slice(sourceCountMax)
    .map(({ database }) =>
      errorFinding('too_many_sources', {
        database: database.name,
        what: `is a third source of the sync ${name}, which can have ${sourceCountMax}`,
      }),
    );
