/** The last look before a database is written. */
import { ReplicationError } from '../model/errors.ts';
import type { Database } from '../model/topology.ts';
import type { RoundContext } from './round.ts';

/**
 * A process that stood still, and goes on, comes by here before it can notice anything else.
 * @throws ReplicationError `lease_lost`
 */
export const assertMayWrite = (
  { mayWrite, sync }: Pick<RoundContext, 'mayWrite' | 'sync'>,
  { name }: Database,
): void => {
  if (mayWrite()) return;
  throw new ReplicationError('lease_lost', {
    message: `The lease of sync "${sync.name}" has ended before the round had.`,
    facts: { sync: sync.name, database: name },
  });
};
