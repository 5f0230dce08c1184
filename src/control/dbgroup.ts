/** Tables `dbgroup` and `dbgroup_member`: ordered sets of databases, each with its role. */
import { z } from 'zod';
import { type DatabaseName, type Role, roles } from '../model/topology.ts';
import { sql } from '../pg/sql.ts';
import { getDatabase } from './database.ts';
import type { Db } from './db.ts';
import { alreadyExists, checkName, inUse, notFound } from './name.ts';
import { integer, json, row, text } from './row.ts';

interface DbGroupMember {
  readonly database: DatabaseName;
  readonly role: Role;
  /** Those with a higher one come first. */
  readonly priority: number;
}

/** Without a priority it is 0. */
export interface NewDbGroupMember {
  readonly database: string;
  readonly role: Role;
  readonly priority?: number;
}

export interface DbGroup {
  readonly name: string;
  /** In the operator's order; the first source is the one that a copy is taken from. */
  readonly members: readonly DbGroupMember[];
}

const dbGroupRow = row({
  name: text,
  members: json(
    z.array(
      z.object({
        database: z.string().transform((name) => name as DatabaseName),
        role: z.enum(roles),
        priority: z.int(),
      }),
    ),
  ),
});

const dbGroups = sql`
  select g.name,
         coalesce(
           (select json_agg(json_build_object('database', d.name, 'role', m.role, 'priority', m.priority)
                            order by m.priority desc, m.position)
              from dbgroup_member m
              join db d on d.id = m.db
             where m.dbgroup = g.id),
           '[]') as members
    from dbgroup g
`;

/** By name. */
export const listDbGroups = (db: Db): Promise<DbGroup[]> =>
  db.many(dbGroupRow, sql`${dbGroups} order by g.name`);

export const findDbGroup = (db: Db, name: string): Promise<DbGroup | null> =>
  db.maybeOne(dbGroupRow, sql`${dbGroups} where g.name = ${name}::text`);

/** @throws ReplicationError `not_found` */
export const getDbGroup = async (db: Db, name: string): Promise<DbGroup> => {
  const found = await findDbGroup(db, name);
  if (found === null) throw notFound('dbgroup', name, 'dbgroups');
  return found;
};

/** @throws ReplicationError `name_invalid`, `already_exists`; `not_found` for a member that is no database */
export const addDbGroup = async (
  db: Db,
  name: string,
  members: readonly NewDbGroupMember[],
): Promise<DbGroup> => {
  checkName('dbgroup', name);
  if ((await findDbGroup(db, name)) !== null) throw alreadyExists('dbgroup', name);
  await db.run(sql`insert into dbgroup (name) values (${name}::text)`);
  return setDbGroupMembers(db, name, members);
};

/** The members are these and no others, in this order. @throws ReplicationError `not_found` */
export const setDbGroupMembers = async (
  db: Db,
  name: string,
  members: readonly NewDbGroupMember[],
): Promise<DbGroup> => {
  const id = await dbGroupId(db, name);
  await db.run(sql`delete from dbgroup_member where dbgroup = ${id}::integer`);
  for (const [position, { database, role, priority = 0 }] of members.entries()) {
    const member = await getDatabase(db, database);
    await db.run(sql`
      insert into dbgroup_member (dbgroup, db, role, position, priority)
      values (${id}::integer, ${member.id}::integer, ${role}::text, ${position}::integer, ${priority}::integer)
    `);
  }
  return getDbGroup(db, name);
};

/** @throws ReplicationError `not_found`, and `in_use` with the syncs that use it */
export const removeDbGroup = async (db: Db, name: string): Promise<void> => {
  const id = await dbGroupId(db, name);
  const users = await db.many(
    row({ name: text }),
    sql`select name from sync where dbgroup = ${id}::integer order by name`,
  );
  if (users.length > 0)
    throw inUse(
      'dbgroup',
      name,
      users.map((user) => `sync ${user.name}`),
    );
  await db.run(sql`delete from dbgroup where id = ${id}::integer`);
};

/** @throws ReplicationError `not_found` */
export const dbGroupId = async (db: Db, name: string): Promise<number> => {
  const found = await db.maybeOne(
    row({ id: integer }),
    sql`select id from dbgroup where name = ${name}::text`,
  );
  if (found === null) throw notFound('dbgroup', name, 'dbgroups');
  return found.id;
};
