/** A table of a source in other columns than it stores, or another query in its place: what an operator has written after SELECT. */
import { isReplicationError, ReplicationError } from '../../model/errors.ts';
import { type CustomCols, type DatabaseId, formatRelation } from '../../model/topology.ts';
import type { ResultColumn, Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';
import { type ColumnFacts, readTypes } from './catalogue.ts';
import { columnOf, type IntrospectionOptions, versionsOf } from './introspect.ts';
import { type Chosen, rowsOf, type Table } from './table.ts';

/** The table as it goes to databases, by database; those that are missing get it as it is. */
export type Projections = ReadonlyMap<DatabaseId, Table>;

interface ProjectionOptions extends Pick<IntrospectionOptions, 'oldestVersion'> {
  /** The name of the source, for messages. */
  readonly database: string;
  /** The databases that are replaced whole: what goes there may be a query of its own, and needs no key. */
  readonly replaced: ReadonlySet<DatabaseId>;
}

/** @throws ReplicationError `customcols_invalid` */
export const readProjections = async (
  session: Session,
  table: Table,
  { customCols, ...options }: ProjectionOptions & { readonly customCols: readonly CustomCols[] },
): Promise<Projections> => {
  const projections = new Map<DatabaseId, Table>();
  for (const { database, list } of customCols) {
    const projected = options.replaced.has(database)
      ? await projectFreely(session, table, { ...options, text: list })
      : await projectKeyed(session, table, { ...options, text: list });
    projections.set(database, projected);
  }
  return projections;
};

interface Projecting extends ProjectionOptions {
  readonly text: string;
}

const projectKeyed = async (session: Session, table: Table, options: Projecting): Promise<Table> => {
  const { database, text } = options;
  const projected = { ...table, chosen: { kind: 'columns', text } as const };
  const columns = await readColumns(session, projected, database);
  for (const { name } of table.key?.columns ?? []) {
    const stored = columns.find((column) => column.name === name);
    if (stored?.tableOid !== table.oid || stored.origin !== name)
      throw invalid(database, projected, `the column "${name}" of the key must be among them as it is`);
  }
  return withColumns(session, projected, columns, options);
};

/** What is no list of columns may be complete by itself; whichever was meant, the server objects to the other. */
const projectFreely = async (session: Session, table: Table, options: Projecting): Promise<Table> => {
  const { database, text } = options;
  const as = (kind: Chosen['kind']): Table => ({ ...table, chosen: { kind, text } });
  try {
    const query = as('query');
    return await withColumns(session, query, await readColumns(session, query, database), options);
  } catch (error) {
    if (!isReplicationError(error, 'customcols_invalid')) throw error;
    const list = as('columns');
    const columns = await readColumns(session, list, database).catch((objection: unknown) => {
      throw isReplicationError(objection, 'customcols_invalid') && /\bfrom\b/i.test(text) ? error : objection;
    });
    return withColumns(session, list, columns, options);
  }
};

const withColumns = async (
  session: Session,
  table: Table,
  columns: readonly ProjectedColumn[],
  { database, oldestVersion }: ProjectionOptions,
): Promise<Table> => {
  const names = columns.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw invalid(database, table, `the column "${twice}" is there twice`);
  const types = await readTypes(session, [...new Set(columns.map(({ typeOid }) => typeOid))]);
  const versions = versionsOf(session, { oldestVersion });
  return { ...table, columns: columns.map((column) => columnOf(column, types, versions)) };
};

const readColumns = async (session: Session, table: Table, database: string): Promise<ProjectedColumn[]> =>
  readFacts(session, await describe(session, table, database));

const describe = async (session: Session, table: Table, database: string): Promise<ResultColumn[]> => {
  try {
    const columns = await session.describe(sql`select * from ${rowsOf(table, null)} t where false`);
    // The last one of a list tells whether there is a row.
    return table.chosen?.kind === 'query' ? columns : columns.slice(0, -1);
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

const invalid = (database: string, { relation, chosen }: Table, what: string): ReplicationError =>
  new ReplicationError('customcols_invalid', {
    message: `${formatRelation(relation)} on ${database} cannot be read as SELECT ${chosen?.text ?? '*'}: ${what}.`,
    facts: { database, relation: formatRelation(relation) },
  });
