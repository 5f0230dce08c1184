/** Where something that is said of a relation holds, as the tables `customname` and `filter` keep it. */
import { ReplicationError } from '../model/errors.ts';
import { type DatabaseName, formatRelation, type RelationName, type SyncName } from '../model/topology.ts';
import { type Sql, sql } from '../pg/sql.ts';
import { nullable, text, textAs } from './row.ts';

export interface Placement {
  /** Null: on all databases that are only written. */
  readonly database: DatabaseName | null;
  /** Null: in all syncs. */
  readonly sync: SyncName | null;
}

/** The columns by which such a row says of what it speaks, and where; for `row`, with `placedFrom`. */
export const placedColumns = {
  schema: text,
  name: text,
  database: nullable(textAs<DatabaseName>()),
  sync: nullable(textAs<SyncName>()),
};

/** The same as a query, from a table under the alias `c`. */
export const placedSelect: Sql = sql`c.id, r.schema_name as schema, r.name, d.name as database, s.name as sync`;

export const placedFrom = (table: string): Sql => sql`
  ${sql.id(table)} c
  join relation r on r.id = c.relation
  left join db d on d.id = c.db
  left join sync s on s.id = c.sync`;

/** The most general first. */
export const placedOrder: Sql = sql`r.schema_name, r.name, s.name nulls first, d.name nulls first`;

/** One row, with the database as `d` and the sync as `s`. */
export const placeFrom = ({ database, sync }: Placement): Sql => sql`
  (select) one
  left join db d on d.name = ${database}::text
  left join sync s on s.name = ${sync}::text`;

/** @param noun as in `tahr remove` */
export const saidAlready = (relation: RelationName, noun: string): ReplicationError =>
  new ReplicationError('already_exists', {
    message: `There is a ${noun} of ${formatRelation(relation)} for the same place already.`,
    hint: `\`tahr list ${noun}\` shows its number; \`tahr remove ${noun} NUMBER\` takes it away.`,
  });
