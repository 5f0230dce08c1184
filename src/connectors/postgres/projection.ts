/** A table of a source in other columns than it stores: what an operator has written after SELECT. */
import { isReplicationError, ReplicationError } from '../../model/errors.ts';
import { type CustomCols, type DatabaseId, formatRelation } from '../../model/topology.ts';
import type { ResultColumn, Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';
import { type ColumnFacts, readTypes } from './catalogue.ts';
import { columnOf, type IntrospectionOptions, versionsOf } from './introspect.ts';
import { rowsOf, type Table } from './table.ts';

/** The table as it goes to databases, by database; those that are missing get it as it is. */
export type Projections = ReadonlyMap<DatabaseId, Table>;

/** @throws ReplicationError `customcols_invalid` */
export const readProjections = async (
  session: Session,
  table: Table,
  { customCols, ...options }: ProjectionOptions & { readonly customCols: readonly CustomCols[] },
): Promise<Projections> => {
  const projections = new Map<DatabaseId, Table>();
  for (const [list, places] of Map.groupBy(customCols, (one) => one.list)) {
    const projected = await project(session, { ...table, list }, options);
    for (const { database } of places) projections.set(database, projected);
  }
  return projections;
};

interface ProjectionOptions extends Pick<IntrospectionOptions, 'oldestVersion'> {
  /** The name of the source, for messages. */
  readonly database: string;
}

const project = async (
  session: Session,
  table: Table,
  { database, oldestVersion }: ProjectionOptions,
): Promise<Table> => {
  const columns = await readFacts(session, await describe(session, table, database));
  for (const { name } of table.key?.columns ?? []) {
    const stored = columns.find((column) => column.name === name);
    if (stored?.tableOid !== table.oid || stored.origin !== name)
      throw invalid(database, table, `the column "${name}" of the key must be among them as it is`);
  }
  const names = columns.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw invalid(database, table, `the column "${twice}" is there twice`);
  const types = await readTypes(session, [...new Set(columns.map(({ typeOid }) => typeOid))]);
  const versions = versionsOf(session, { oldestVersion });
  return { ...table, columns: columns.map((column) => columnOf(column, types, versions)) };
};

/** All but the last, which tells whether there is a row. */
const describe = async (session: Session, table: Table, database: string): Promise<ResultColumn[]> => {
  try {
    const columns = await session.describe(sql`select * from ${rowsOf(table, null)} t where false`);
    return columns.slice(0, -1);
  } catch (error) {
    if (isReplicationError(error) && session.isUsable)
      throw invalid(database, table, error.message.replace(/\.$/, ''));
    throw error;
  }
};

type ProjectedColumn = ColumnFacts & {
  readonly tableOid: string;
  /** What the column is called in that table; null for one that is computed. */
  readonly origin: string | null;
};

const readFacts = async (
  session: Session,
  described: readonly ResultColumn[],
): Promise<ProjectedColumn[]> => {
  const rows = await session.query(sql`
    select pg_catalog.format_type(c.type_oid, c.modifier) as type, a.attname as origin
      from unnest(${described.map(({ typeOid }) => typeOid)}::oid[], ${described.map(({ modifier }) => modifier)}::integer[],
                  ${described.map(({ tableOid }) => tableOid)}::oid[], ${described.map(({ place }) => place)}::integer[])
           with ordinality c (type_oid, modifier, table_oid, place, n)
      left join pg_catalog.pg_attribute a on a.attrelid = c.table_oid and a.attnum = c.place and a.attnum > 0
     order by c.n`);
  return described.map(({ name, typeOid, tableOid }, index) => ({
    name,
    typeOid,
    type: rows[index]?.['type'] ?? '',
    notNull: false,
    hasDefault: false,
    isGenerated: false,
    identity: 'none',
    tableOid,
    origin: rows[index]?.['origin'] ?? null,
  }));
};

const invalid = (database: string, { relation, list }: Table, what: string): ReplicationError =>
  new ReplicationError('customcols_invalid', {
    message: `${formatRelation(relation)} on ${database} cannot be read as SELECT ${list ?? '*'}: ${what}.`,
    facts: { database, relation: formatRelation(relation) },
  });
