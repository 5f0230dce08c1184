/** Tables `relgroup` and `relgroup_member`: ordered sets of tables and sequences. */
import type { RelationId } from '../model/topology.ts';
import { sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { alreadyExists, checkRelGroupName, inUse, notFound } from './name.ts';
import { type Relation, relationRow, relations } from './relation.ts';
import { integer, row, text } from './row.ts';

export interface RelGroup {
  readonly name: string;
  /** In the order in which they were put in. */
  readonly relations: readonly Relation[];
}

/** By name. */
export const listRelGroups = async (db: Db): Promise<RelGroup[]> => {
  const names = await db.many(row({ name: text }), sql`select name from relgroup order by name`);
  const groups: RelGroup[] = [];
  for (const { name } of names) groups.push(await getRelGroup(db, name));
  return groups;
};

export const findRelGroup = async (db: Db, name: string): Promise<RelGroup | null> => {
  const found = await db.maybeOne(
    row({ id: integer }),
    sql`select id from relgroup where name = ${name}::text`,
  );
  if (found === null) return null;
  const members = await db.many(
    relationRow,
    sql`${relations} join relgroup_member m on m.relation = r.id where m.relgroup = ${found.id}::integer order by m.position`,
  );
  return { name, relations: members };
};

/** @throws ReplicationError `not_found` */
export const getRelGroup = async (db: Db, name: string): Promise<RelGroup> => {
  const found = await findRelGroup(db, name);
  if (found === null) throw notFound('relgroup', name, 'relgroups');
  return found;
};

/** @throws ReplicationError `name_invalid`, `already_exists` */
export const addRelGroup = async (
  db: Db,
  name: string,
  members: readonly RelationId[],
): Promise<RelGroup> => {
  checkRelGroupName(name);
  if ((await findRelGroup(db, name)) !== null) throw alreadyExists('relgroup', name);
  await db.run(sql`insert into relgroup (name) values (${name}::text)`);
  return setRelGroupMembers(db, name, members);
};

/** The members are these and no others, in this order. @throws ReplicationError `not_found` */
export const setRelGroupMembers = async (
  db: Db,
  name: string,
  members: readonly RelationId[],
): Promise<RelGroup> => {
  const id = await relGroupId(db, name);
  await db.run(sql`delete from relgroup_member where relgroup = ${id}::integer`);
  await db.run(sql`
    insert into relgroup_member (relgroup, relation, position)
    select ${id}::integer, m.relation, m.position
      from unnest(${members}::integer[]) with ordinality as m (relation, position)
  `);
  return getRelGroup(db, name);
};

/** @throws ReplicationError `not_found`, and `in_use` with the syncs that use it */
export const removeRelGroup = async (db: Db, name: string): Promise<void> => {
  const id = await relGroupId(db, name);
  const users = await db.many(
    row({ name: text }),
    sql`select name from sync where relgroup = ${id}::integer order by name`,
  );
  if (users.length > 0)
    throw inUse(
      'relgroup',
      name,
      users.map((user) => `sync ${user.name}`),
    );
  await db.run(sql`delete from relgroup where id = ${id}::integer`);
};

/** @throws ReplicationError `not_found` */
export const relGroupId = async (db: Db, name: string): Promise<number> => {
  const found = await db.maybeOne(
    row({ id: integer }),
    sql`select id from relgroup where name = ${name}::text`,
  );
  if (found === null) throw notFound('relgroup', name, 'relgroups');
  return found.id;
};
