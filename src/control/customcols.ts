/** Table `customcols`: in which columns the rows of tables go to databases that are only written. */
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

export interface StoredCustomCols extends Placement {
  readonly id: number;
  readonly relation: RelationName;
  /** What comes after SELECT. */
  readonly list: string;
}

const flatRow = row({ id: integer, ...placedColumns, list: text });

const customColsRow = (source: Parameters<typeof flatRow>[0]): StoredCustomCols => {
  const { schema, name, ...rest } = flatRow(source);
  return { ...rest, relation: { schema, name } };
};

const customCols = sql`select ${placedSelect}, c.list from ${placedFrom('customcols')}`;

/** By relation, the most general first. */
export const listCustomCols = (db: Db): Promise<StoredCustomCols[]> =>
  db.many(customColsRow, sql`${customCols} order by ${placedOrder}`);

/** @throws ReplicationError `already_exists` where there are some for the same place */
export const addCustomCols = async (
  db: Db,
  { id, relation }: Pick<Relation, 'id' | 'relation'>,
  { list, ...place }: Placement & { readonly list: string },
): Promise<void> => {
  const added = await db.many(
    row({ id: integer }),
    sql`
      insert into customcols (relation, db, sync, list)
      select ${id}::integer, d.id, s.id, ${list}::text from ${placeFrom(place)}
          on conflict do nothing
      returning id
    `,
  );
  if (added.length === 0) throw saidAlready(relation, 'customcols');
};

/** @throws ReplicationError `not_found` */
export const getCustomCols = async (db: Db, id: number): Promise<StoredCustomCols> => {
  const found = await db.maybeOne(customColsRow, sql`${customCols} where c.id = ${id}::integer`);
  if (found === null) throw notFound('customcols', String(id), 'customcols');
  return found;
};

export const removeCustomCols = (db: Db, id: number): Promise<unknown> =>
  db.run(sql`delete from customcols where id = ${id}::integer`);
