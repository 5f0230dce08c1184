/**
 * Who of a gang is written in a round: while some lack the copy that was asked for, only those. So the others do not wait
 * in a transaction for the copy of a neighbour.
 */
import { readPositions } from '../connectors/postgres/position.ts';
import type { DatabaseId, Member, SyncDefinition } from '../model/topology.ts';
import type { Lease } from '../pg/pool.ts';
import { needsCopy } from '../replication/read/delivery.ts';

interface Surroundings {
  readonly schema: string;
  readonly borrow: (database: DatabaseId) => Promise<Lease>;
}

export const copiedFirst = async (
  sync: SyncDefinition,
  present: readonly Member[],
  { schema, borrow }: Surroundings,
): Promise<readonly Member[]> => {
  if (sync.onetimecopy === 0) return present;
  const lacking: Member[] = [];
  for (const member of present) {
    await using lease = await borrow(member.database.id);
    const positions = await readPositions(lease.session, schema, sync.id);
    if (needsCopy(sync, member.database, positions)) lacking.push(member);
  }
  return lacking.length === 0 ? present : lacking;
};
