/**
 * Table `db`: the databases of the installation. Identifiers are stored with every replicated version and are
 * never given twice, also not after a removal.
 */
import { z } from 'zod';
import {
  type ActiveStatus,
  type ConnectionParameters,
  type Database,
  type DatabaseId,
  type DatabaseName,
} from '../model/topology.ts';
import { sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { alreadyExists, checkName, inUse, notFound } from './name.ts';
import { boolean, integerAs, json, row, text, textAs } from './row.ts';
import { assignments } from './update.ts';

const databaseRow = row({
  id: integerAs<DatabaseId>(),
  name: textAs<DatabaseName>(),
  status: textAs<ActiveStatus>(),
  parameters: json(z.record(z.string(), z.string())),
  makedelta: boolean,
});

const columns = sql`id, name, status, parameters, makedelta`;

export interface NewDatabase {
  readonly name: string;
  readonly status: ActiveStatus;
  /** Stored as given: a value may be a reference such as `${env:NAME}`, which is resolved on connecting. */
  readonly parameters: ConnectionParameters;
  readonly makedelta: boolean;
}

/** What is left out stays as it is. */
export type DatabaseChanges = Partial<Omit<NewDatabase, 'name'>>;

/** In the order in which they were added. */
export const listDatabases = (db: Db): Promise<Database[]> =>
  db.many(databaseRow, sql`select ${columns} from db order by id`);

const findDatabase = (db: Db, name: string): Promise<Database | null> =>
  db.maybeOne(databaseRow, sql`select ${columns} from db where name = ${name}::text`);

/** @throws ReplicationError `not_found` */
export const getDatabase = async (db: Db, name: string): Promise<Database> => {
  const found = await findDatabase(db, name);
  if (found === null) throw notFound('database', name, 'dbs');
  return found;
};

/** @throws ReplicationError `name_invalid`, `already_exists` */
export const addDatabase = async (db: Db, added: NewDatabase): Promise<Database> => {
  checkName('database', added.name);
  if ((await findDatabase(db, added.name)) !== null) throw alreadyExists('database', added.name);
  return db.one(
    databaseRow,
    sql`
      insert into db (name, status, parameters, makedelta)
      values (${added.name}::text, ${added.status}::text, ${JSON.stringify(added.parameters)}::jsonb, ${added.makedelta}::boolean)
      returning ${columns}
    `,
  );
};

/** `parameters` replaces all of them. @throws ReplicationError `not_found` */
export const updateDatabase = async (db: Db, name: string, changes: DatabaseChanges): Promise<Database> => {
  const before = await getDatabase(db, name);
  const set = assignments({
    status: changes.status === undefined ? null : sql`${changes.status}::text`,
    parameters: changes.parameters === undefined ? null : sql`${JSON.stringify(changes.parameters)}::jsonb`,
    makedelta: changes.makedelta === undefined ? null : sql`${changes.makedelta}::boolean`,
  });
  if (set === null) return before;
  return db.one(databaseRow, sql`update db set ${set} where id = ${before.id}::integer returning ${columns}`);
};

/** @throws ReplicationError `not_found`, and `in_use` with the dbgroups that it is a member of */
export const removeDatabase = async (db: Db, name: string): Promise<void> => {
  const { id } = await getDatabase(db, name);
  const groups = await db.many(
    row({ name: text }),
    sql`
      select g.name
        from dbgroup_member m
        join dbgroup g on g.id = m.dbgroup
       where m.db = ${id}::integer
       order by g.name
    `,
  );
  if (groups.length > 0)
    throw inUse(
      'database',
      name,
      groups.map((group) => `dbgroup ${group.name}`),
    );
  await db.run(sql`delete from sync_state where db = ${id}::integer`);
  await db.run(sql`delete from db where id = ${id}::integer`);
};

/** The parameters that may be shown: everything but passwords. */
export const withoutSecrets = (parameters: ConnectionParameters): ConnectionParameters =>
  Object.fromEntries(Object.entries(parameters).filter(([keyword]) => !secretKeywords.has(keyword)));

const secretKeywords: ReadonlySet<string> = new Set(['password', 'sslpassword', 'oauth_client_secret']);
