/** Table `filter`: which rows go to databases that are only written, and what is done with them there. */
import { z } from 'zod';
import { type Operation, operations, type RelationName } from '../model/topology.ts';
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
import { integer, json, nullable, row, text } from './row.ts';

interface FilterContent {
  /** A condition over the columns of the source's row; null: all rows. */
  readonly where: string | null;
  readonly operations: readonly Operation[];
}

export interface StoredFilter extends Placement, FilterContent {
  readonly id: number;
  readonly relation: RelationName;
}

const flatRow = row({
  id: integer,
  ...placedColumns,
  where: nullable(text),
  operations: json(z.array(z.enum(operations))),
});

const filterRow = (source: Parameters<typeof flatRow>[0]): StoredFilter => {
  const { schema, name, ...rest } = flatRow(source);
  return { ...rest, relation: { schema, name } };
};

const filters = sql`
  select ${placedSelect}, c.condition as where, to_json(c.operations) as operations from ${placedFrom('filter')}
`;

/** By relation, the most general first. */
export const listFilters = (db: Db): Promise<StoredFilter[]> =>
  db.many(filterRow, sql`${filters} order by ${placedOrder}`);

/** @throws ReplicationError `already_exists` where there is one for the same place */
export const addFilter = async (
  db: Db,
  { id, relation }: Pick<Relation, 'id' | 'relation'>,
  { where, operations: allowed, ...place }: Placement & FilterContent,
): Promise<void> => {
  const added = await db.many(
    row({ id: integer }),
    sql`
      insert into filter (relation, db, sync, condition, operations)
      select ${id}::integer, d.id, s.id, ${where}::text, ${allowed}::text[] from ${placeFrom(place)}
          on conflict do nothing
      returning id
    `,
  );
  if (added.length === 0) throw saidAlready(relation, 'filter');
};

/** @throws ReplicationError `not_found` */
export const getFilter = async (db: Db, id: number): Promise<StoredFilter> => {
  const found = await db.maybeOne(filterRow, sql`${filters} where c.id = ${id}::integer`);
  if (found === null) throw notFound('filter', String(id), 'filters');
  return found;
};

export const removeFilter = (db: Db, id: number): Promise<unknown> =>
  db.run(sql`delete from filter where id = ${id}::integer`);
