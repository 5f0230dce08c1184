/** `conflict_strategy=` as it is stored: checked, and under one name for each strategy. Pure. */
import { isReplicationError } from '../model/errors.ts';
import { type DatabaseName, formatRelation, type SyncDefinition } from '../model/topology.ts';
import { formatStrategy, parseStrategy } from '../replication/plan/strategy.ts';
import { usageError } from './grammar/usage.ts';

/** @throws ReplicationError `usage` for a strategy that does not exist, or a list with a name that is none of `sources` */
export const normalStrategy = (text: string, sources: readonly DatabaseName[]): string =>
  formatStrategy(parseStrategy(text, sources));

/**
 * For a sync whose sources have changed: what it or one of its tables prefers must still say who wins.
 * @throws ReplicationError `usage`
 */
export const assertStrategies = (sync: SyncDefinition): void => {
  const sources = sourceNames(sync);
  assertFits(sync.conflictStrategy, { sources, sync, setting: `sync ${sync.name}` });
  for (const { conflictStrategy, relation } of sync.relations)
    if (conflictStrategy !== null)
      assertFits(conflictStrategy, { sources, sync, setting: `table ${formatRelation(relation)}` });
};

const assertFits = (
  strategy: string,
  { sources, sync, setting }: { sources: readonly DatabaseName[]; sync: SyncDefinition; setting: string },
): void => {
  try {
    parseStrategy(strategy, sources);
  } catch (error) {
    if (!isReplicationError(error, 'usage')) throw error;
    throw usageError(
      `Sync "${sync.name}" would have the sources ${sources.join(', ')}. ${error.message}`,
      `Give another strategy first, then change the sources, and then give a list again if you want one: \`tahr update ${setting} conflict_strategy=bucardo_latest\`.`,
    );
  }
};

export const sourceNames = ({ members }: Pick<SyncDefinition, 'members'>): DatabaseName[] =>
  members.filter(({ role }) => role === 'source').map(({ database }) => database.name);
