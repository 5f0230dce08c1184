/** Who belongs to a dbgroup: joining it, and replacing all members. Says each change. */
import type { Db } from '../control/db.ts';
import { addDbGroup, type DbGroup, findDbGroup, setDbGroupMembers } from '../control/dbgroup.ts';
import type { Role } from '../model/topology.ts';
import type { Say } from './change.ts';
import type { NamedRole } from './grammar/values.ts';

export interface NewMember {
  readonly name: string;
  readonly role: Role;
  readonly priority: number;
}

interface Membership {
  readonly group: string;
  readonly members: readonly NewMember[];
  readonly say: Say;
}

/** Adds to the group, which is made if there is none; a member that is there already gets the role. */
export const joinDbGroup = async (db: Db, { group, members, say }: Membership): Promise<DbGroup> => {
  const known = await findDbGroup(db, group);
  if (known === null) {
    await addDbGroup(db, group, []);
    say(`Created dbgroup "${group}"`);
  }
  const before = known?.members ?? [];
  const kept = before.map(
    ({ database, role, priority }) =>
      members.find(({ name }) => name === database) ?? { name: database, role, priority },
  );
  const joining = members.filter(({ name }) => !before.some(({ database }) => database === name));
  return setMembers(db, { group, members: [...kept, ...joining], say });
};

/** The members are these and no others. */
export const setMembers = async (db: Db, { group, members, say }: Membership): Promise<DbGroup> => {
  const before = (await findDbGroup(db, group))?.members ?? [];
  const after = await setDbGroupMembers(
    db,
    group,
    members.map(({ name, ...member }) => ({ database: name, ...member })),
  );
  for (const { database, role } of after.members) {
    const old = before.find((member) => member.database === database);
    if (old === undefined) say(`Added database "${database}" to dbgroup "${group}" as ${role}`);
    else if (old.role !== role)
      say(`Changed role of database "${database}" in dbgroup "${group}" from ${old.role} to ${role}`);
  }
  for (const { database } of before) {
    if (!after.members.some((member) => member.database === database))
      say(`Removed database "${database}" from dbgroup "${group}"`);
  }
  return after;
};

/** The first database is a source unless it is said otherwise, the others are targets. */
export const membersOf = (members: readonly NamedRole[]): NewMember[] =>
  members.map(({ name, role, priority }, index) => ({
    name,
    role: role ?? (index === 0 ? 'source' : 'target'),
    priority,
  }));
