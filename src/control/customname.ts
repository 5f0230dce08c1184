/** Table `customname`: what relations are called on other databases, and for which syncs. */
import { ReplicationError } from '../model/errors.ts';
import {
  type DatabaseName,
  formatRelation,
  type RelationId,
  type RelationName,
  type SyncName,
} from '../model/topology.ts';
import { sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { notFound } from './name.ts';
import { integer, nullable, row, text, textAs } from './row.ts';

/** Where a name holds. */
export interface CustomNamePlace {
  /** Null: on all databases that are only written. */
  readonly database: DatabaseName | null;
  /** Null: in all syncs. */
  readonly sync: SyncName | null;
}

export interface StoredCustomName extends CustomNamePlace {
  readonly id: number;
  readonly relation: RelationName;
  readonly newName: RelationName;
}

const flatRow = row({
  id: integer,
  schema: text,
  name: text,
  newSchema: text,
  newTable: text,
  database: nullable(textAs<DatabaseName>()),
  sync: nullable(textAs<SyncName>()),
});

const customNameRow = (source: Parameters<typeof flatRow>[0]): StoredCustomName => {
  const { id, schema, name, newSchema, newTable, database, sync } = flatRow(source);
  return {
    id,
    relation: { schema, name },
    newName: { schema: newSchema, name: newTable },
    database,
    sync,
  };
};

const customNames = sql`
  select c.id, r.schema_name as schema, r.name, c.schema_name as "newSchema", c.name as "newTable",
         d.name as database, s.name as sync
    from customname c
    join relation r on r.id = c.relation
    left join db d on d.id = c.db
    left join sync s on s.id = c.sync
`;

/** By relation, the most general first. */
export const listCustomNames = (db: Db): Promise<StoredCustomName[]> =>
  db.many(
    customNameRow,
    sql`${customNames} order by r.schema_name, r.name, s.name nulls first, d.name nulls first`,
  );

/** @throws ReplicationError `already_exists` where there is one for the same place */
export const addCustomName = async (
  db: Db,
  {
    relation,
    newName,
    database,
    sync,
  }: CustomNamePlace & { readonly relation: RelationId; readonly newName: RelationName },
): Promise<void> => {
  const added = await db.many(
    row({ id: integer }),
    sql`
      insert into customname (relation, db, sync, schema_name, name)
      select ${relation}::integer, d.id, s.id, ${newName.schema}::text, ${newName.name}::text
        from (select) one
        left join db d on d.name = ${database}::text
        left join sync s on s.name = ${sync}::text
          on conflict do nothing
      returning id
    `,
  );
  if (added.length > 0) return;
  const [known] = await db.many(
    customNameRow,
    sql`
      ${customNames}
       where c.relation = ${relation}::integer and d.name is not distinct from ${database}::text
         and s.name is not distinct from ${sync}::text
    `,
  );
  throw new ReplicationError('already_exists', {
    message: `${known === undefined ? 'The relation' : formatRelation(known.relation)} has another name there already${known === undefined ? '' : `: ${formatRelation(known.newName)}`}.`,
    hint: '`tahr list customnames` shows its number; `tahr remove customname NUMBER` takes it away.',
  });
};

/** @throws ReplicationError `not_found` */
export const getCustomName = async (db: Db, id: number): Promise<StoredCustomName> => {
  const found = await db.maybeOne(customNameRow, sql`${customNames} where c.id = ${id}::integer`);
  if (found === null) throw notFound('customname', String(id), 'customnames');
  return found;
};

export const removeCustomName = (db: Db, id: number): Promise<unknown> =>
  db.run(sql`delete from customname where id = ${id}::integer`);
