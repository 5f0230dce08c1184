/** The databases of a sync with a session to each, for work that is done once per sync. */
import { FindingsError, isReplicationError, ReplicationError } from '../model/errors.ts';
import type { Database, Member, Role, SyncDefinition } from '../model/topology.ts';
import type { Session } from '../pg/session.ts';

export type Connect = (database: Database) => Promise<Session>;

export interface OpenMember {
  readonly database: Database;
  readonly role: Role;
  readonly session: Session;
}

export interface Reached extends AsyncDisposable {
  readonly members: readonly OpenMember[];
  /** Why the others could not be reached. */
  readonly failures: readonly ReplicationError[];
}

/** Connects to all active members, one after the other, so that the order of failures is that of the sync. */
export const reachMembers = async (definition: SyncDefinition, connect: Connect): Promise<Reached> => {
  const members: OpenMember[] = [];
  const failures: ReplicationError[] = [];
  for (const { database, role } of definition.members.filter(isActive)) {
    try {
      members.push({ database, role, session: await connect(database) });
    } catch (error) {
      if (!isReplicationError(error)) throw error;
      failures.push(error);
    }
  }
  return {
    members,
    failures,
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map(({ session }) => session.close()));
    },
  };
};

const isActive = ({ database }: Member): boolean => database.status === 'active';

/** @throws ReplicationError the one failure, or all of them together */
export const throwAll = (failures: readonly ReplicationError[]): void => {
  const [first, ...others] = failures;
  if (first === undefined) return;
  throw others.length === 0 ? first : new FindingsError([first, ...others]);
};

/** Written by applications: their changes are captured. */
export const isSource = ({ role }: Pick<Member, 'role'>): boolean => role === 'source';

/** Keeps positions: a fullcopy member is replaced whole and needs none. */
export const keepsPositions = ({ role }: Pick<Member, 'role'>): boolean => role !== 'fullcopy';
