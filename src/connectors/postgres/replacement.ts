/**
 * A table that is replaced whole: emptied and filled with all rows of another one in one transaction, so that readers see the old rows or
 * the new ones.
 *
 * No key is needed. Where the tables hold the same rows already nothing is written, so a copy that brings no news costs two readings and
 * leaves nothing to vacuum.
 */
import type { DeleteMethod, Filter, RelationId } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { matchColumns, travelsAsStored } from './matching-columns.ts';
import { relationOf, rowsOf, type Table } from './table.ts';

export interface ReplacementPlan {
  readonly id: RelationId;
  readonly source: Table;
  readonly target: Table;
  readonly columns: readonly ReplacedColumn[];
  /** Text, where a type has not the same binary form on both sides: every type understands its own text. */
  readonly format: 'binary' | 'text';
  /** Which rows go there, in the words of the operator; null: all. */
  readonly where: string | null;
}

interface ReplacedColumn {
  readonly name: string;
  /** At the source, of its rows under the alias `t`. */
  readonly read: Sql;
}

/** @throws ReplicationError `schema_differs` */
export const planReplacement = ({
  id,
  source,
  target,
  database,
  filter,
}: {
  readonly id: RelationId;
  readonly source: Table;
  readonly target: Table;
  /** The name of the database that is written, for messages. */
  readonly database: string;
  readonly filter: Filter | null;
}): ReplacementPlan => {
  const matched = matchColumns({ sources: [source], target, database });
  return {
    id,
    source,
    target,
    columns: matched.map(({ column: { name, transport } }) => ({
      name,
      read: transport === 'text' ? sql`t.${sql.id(name)}::pg_catalog.text` : sql`t.${sql.id(name)}`,
    })),
    format: matched.every(travelsAsStored) ? 'binary' : 'text',
    where: filter?.where ?? null,
  };
};

export const selectAll = ({ source, columns, where, format }: ReplacementPlan): Sql =>
  sql`copy (select ${sql.join(columns.map(({ read }) => read))} from ${rowsOf(source, where)} t) to stdout with (format ${sql.verbatim(format)})`;

export const copyIn = ({ target, columns, format }: ReplacementPlan): Sql =>
  sql`copy ${nameOf(target)} (${sql.join(columns.map(({ name }) => sql.id(name)))}) from stdin with (format ${sql.verbatim(format)})`;

/** Nobody else writes these tables until the transaction ends; reading goes on. */
export const lockTables = (tables: readonly Table[]): Sql =>
  sql`lock table ${sql.join(tables.map(relationOf))} in share row exclusive mode`;

export const deleteRows = (table: Table): Sql => sql`delete from ${relationOf(table)}`;

/** One for all, so that they may refer to each other. */
export const truncateTables = (tables: readonly Table[], method: Exclude<DeleteMethod, 'delete'>): Sql =>
  sql`truncate ${sql.join(tables.map(relationOf))} ${method === 'truncate_cascade' ? sql`cascade` : sql.empty}`;

/**
 * The same for tables that hold the same rows, in whichever order, by the text of their values. Two that differ have the same one with a
 * probability of 1 in 2^128.
 * @param rows in a FROM list
 */
export const digestOf = async (
  session: Session,
  { columns }: ReplacementPlan,
  rows: Sql,
): Promise<string> => {
  const values = sql.join(columns.map(({ name }) => sql`t.${sql.id(name)}::pg_catalog.text`));
  const hash = (seed: number): Sql =>
    sql`coalesce(sum(pg_catalog.hashtextextended(r.content, ${sql.literal(seed)})), 0)`;
  const [row] = await session.query(
    sql`select pg_catalog.concat_ws(' ', count(*), ${hash(0)}, ${hash(1)}) as digest
          from (select row(${values})::pg_catalog.text as content from ${rows} t) r`,
  );
  return row?.['digest'] ?? '';
};

const nameOf = ({ relation }: Table): Sql => sql.id(relation.schema, relation.name);
