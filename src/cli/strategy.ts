/** `conflict_strategy=` as it is stored: checked, and under one name for each strategy. Pure. */
import { unreachable } from '../model/errors.ts';
import type { DatabaseName } from '../model/topology.ts';
import { parseStrategy } from '../replication/plan/strategy.ts';

/** @throws ReplicationError `usage` for a strategy that does not exist, or a list with a name that is none of `sources` */
export const normalStrategy = (text: string, sources: readonly DatabaseName[]): string => {
  const strategy = parseStrategy(text, sources);
  switch (strategy.kind) {
    case 'latest':
      return 'bucardo_latest';
    case 'abort':
      return 'bucardo_abort';
    case 'order':
      return strategy.databases.join(' ');
    default:
      return unreachable(strategy);
  }
};
