/**
 * Whether the databases of a sync still have what was installed on them. One that was restored from a dump has not: its
 * identity is that of the original, or nothing of Tahr came along.
 */
import { isInstalled } from '../connectors/postgres/identity.ts';
import { readLineage } from '../connectors/postgres/lineage.ts';
import { readPositions } from '../connectors/postgres/position.ts';
import { hasDeltas, type SyncDefinition } from '../model/topology.ts';
import type { SetupOptions } from './install.ts';
import { isSource, keepsPositions, type OpenMember, reachMembers } from './members.ts';

/** Of those that cannot be reached nothing is said. */
export const isPrepared = async ({ definition, schema, connect }: SetupOptions): Promise<boolean> => {
  await using reached = await reachMembers(definition, connect);
  const answers = await Promise.all(reached.members.map((member) => isReady(member, definition, schema)));
  return answers.every(Boolean);
};

const isReady = async (member: OpenMember, definition: SyncDefinition, schema: string): Promise<boolean> => {
  const { session, database } = member;
  if (!hasDeltas(definition) || !keepsPositions(member)) return true;
  if (!(await isInstalled(session, schema))) return false;
  if (isSource(member) && !(await readLineage(session, schema)).isPhysicalCopy) return false;
  const positions = await readPositions(session, schema, definition.id);
  return definition.members
    .filter((other) => isSource(other) && other.database.id !== database.id)
    .every((other) => positions.some(({ source }) => source === other.database.id));
};
