/** Table `customname`: what relations are called on other databases, and for which syncs. */
import type { RelationName } from '../model/topology.ts';
import { sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { notFound } from './name.ts';
import {
  placedColumns,
  placedFrom,
  placedOrder,
  placedSelect,
  placeFrom,
  type Placement,
  saidAlready,
} from './placement.ts';
import type { Relation } from './relation.ts';
import { integer, row, text } from './row.ts';

export interface StoredCustomName extends Placement {
  readonly id: number;
  readonly relation: RelationName;
  readonly newName: RelationName;
}

const flatRow = row({ id: integer, ...placedColumns, newSchema: text, newTable: text });

const customNameRow = (source: Parameters<typeof flatRow>[0]): StoredCustomName => {
  const { schema, name, newSchema, newTable, ...rest } = flatRow(source);
  return { ...rest, relation: { schema, name }, newName: { schema: newSchema, name: newTable } };
};

const customNames = sql`
  select ${placedSelect}, c.schema_name as "newSchema", c.name as "newTable" from ${placedFrom('customname')}
`;

/** By relation, the most general first. */
export const listCustomNames = (db: Db): Promise<StoredCustomName[]> =>
  db.many(customNameRow, sql`${customNames} order by ${placedOrder}`);

/** @throws ReplicationError `already_exists` where there is one for the same place */
export const addCustomName = async (
  db: Db,
  { id, relation }: Pick<Relation, 'id' | 'relation'>,
  { newName, ...place }: Placement & { readonly newName: RelationName },
): Promise<void> => {
  const added = await db.many(
    row({ id: integer }),
    sql`
      insert into customname (relation, db, sync, schema_name, name)
      select ${id}::integer, d.id, s.id, ${newName.schema}::text, ${newName.name}::text from ${placeFrom(place)}
          on conflict do nothing
      returning id
    `,
  );
  if (added.length === 0) throw saidAlready(relation, 'customname');
};

/** @throws ReplicationError `not_found` */
export const getCustomName = async (db: Db, id: number): Promise<StoredCustomName> => {
  const found = await db.maybeOne(customNameRow, sql`${customNames} where c.id = ${id}::integer`);
  if (found === null) throw notFound('customname', String(id), 'customnames');
  return found;
};

export const removeCustomName = (db: Db, id: number): Promise<unknown> =>
  db.run(sql`delete from customname where id = ${id}::integer`);
