/** `conflict_strategy=` as it is stored: checked, and under one name for each strategy. Pure. */
import type { DatabaseName, SyncDefinition } from '../model/topology.ts';
import { formatStrategy, parseStrategy } from '../replication/plan/strategy.ts';

/** @throws ReplicationError `usage` for a strategy that does not exist, or a list with a name that is none of `sources` */
export const normalStrategy = (text: string, sources: readonly DatabaseName[]): string =>
  formatStrategy(parseStrategy(text, sources));

/** @throws ReplicationError `usage` when the sync, or one of its tables, prefers a database that is no source of it */
export const assertStrategies = (sync: SyncDefinition): void => {
  const sources = sourceNames(sync);
  const strategies = [
    sync.conflictStrategy,
    ...sync.relations.map(({ conflictStrategy }) => conflictStrategy),
  ];
  for (const strategy of strategies) if (strategy !== null) normalStrategy(strategy, sources);
};

export const sourceNames = ({ members }: Pick<SyncDefinition, 'members'>): DatabaseName[] =>
  members.filter(({ role }) => role === 'source').map(({ database }) => database.name);
