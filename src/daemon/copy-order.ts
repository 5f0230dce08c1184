/**
 * Who of a gang is written in a round after a copy was asked for: first the source of the copy alone, which takes note; then those
 * that are copied to, so that the others do not wait in a transaction for the copy of a neighbour; then all.
 */
import { readPositions } from '../connectors/postgres/position.ts';
import type { DatabaseId, Member, SyncDefinition } from '../model/topology.ts';
import type { Loan } from '../pg/pool.ts';
import { isBehindCopy, isFirst } from '../replication/read/copies.ts';

interface Surroundings {
  readonly schema: string;
  readonly borrow: (database: DatabaseId) => Promise<Loan>;
}

export const copiedFirst = async (
  sync: SyncDefinition,
  present: readonly Member[],
  { schema, borrow }: Surroundings,
): Promise<readonly Member[]> => {
  if (!isConcerned(sync, present)) return present;
  const behind: Member[] = [];
  for (const member of present) {
    await using loan = await borrow(member.database.id);
    const positions = await readPositions(loan.session, schema, sync.id);
    if (!isBehindCopy(sync, positions)) continue;
    if (isFirst(sync, member.database)) return [member];
    behind.push(member);
  }
  return behind.length === 0 ? present : behind;
};

/** What is for a database that is not there waits for it, and keeps nobody from going on. */
const isConcerned = ({ copies }: SyncDefinition, present: readonly Member[]): boolean =>
  copies.some(
    ({ database }) => database === null || present.some((member) => member.database.id === database),
  );
