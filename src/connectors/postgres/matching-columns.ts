/** Which column of a table on one database takes which column of the same table on others. */
import { ReplicationError } from '../../model/errors.ts';
import { formatRelation } from '../../model/topology.ts';
import { findDifference } from './composite.ts';
import { type Column, sentColumns, type Table } from './table.ts';

export interface MatchedColumn {
  /** As it is sent. */
  readonly column: Column;
  /** As it is stored where it arrives. */
  readonly counterpart: Column;
}

export interface MatchedTables {
  readonly sources: readonly [Table, ...Table[]];
  readonly target: Table;
  /** The name of the database that is written, for messages. */
  readonly database: string;
}

/**
 * By name; those that the target computes itself are left out.
 * @throws ReplicationError `schema_differs`
 */
export const matchColumns = (tables: MatchedTables): MatchedColumn[] => {
  const { sources, target } = tables;
  const targetColumns = new Map(target.columns.map((column) => [column.name, column]));
  return sentBy(sources).flatMap((column) => {
    const counterpart = targetColumns.get(column.name);
    if (counterpart === undefined) throw columnMissing(tables, column);
    for (const source of sources) checkComposites(tables, source, counterpart);
    return counterpart.isGenerated ? [] : [{ column, counterpart }];
  });
};

/** The binary form that is sent is the one that is stored. */
export const travelsAsStored = ({ column, counterpart }: MatchedColumn): boolean =>
  column.transport === 'binary' && column.baseType === counterpart.baseType;

/** What is sent goes the same way from all sources, so a value travels as text if it has to from one of them. */
const sentBy = (sources: readonly [Table, ...Table[]]): Column[] => {
  const asText = new Set(
    sources.flatMap((source) =>
      sentColumns(source).flatMap(({ name, transport }) => (transport === 'text' ? [name] : [])),
    ),
  );
  return sentColumns(sources[0]).map((column) =>
    asText.has(column.name) ? { ...column, transport: 'text' } : column,
  );
};

const columnMissing = ({ target, database }: MatchedTables, column: Column): ReplicationError =>
  new ReplicationError('schema_differs', {
    message: `Table ${formatRelation(target.relation)} has no column "${column.name}" (${column.type}) on ${database}.`,
    facts: { database, table: formatRelation(target.relation), column: column.name },
  });

const checkComposites = ({ target, database }: MatchedTables, source: Table, received: Column): void => {
  const sent = source.columns.find(({ name }) => name === received.name);
  const difference = sent === undefined ? null : findDifference(sent.composites, received.composites);
  if (difference === null) return;
  const { type, attribute, what } = difference;
  throw new ReplicationError('schema_differs', {
    message: `Column "${received.name}" of table ${formatRelation(target.relation)} does not fit: ${what} on ${database}.`,
    facts: { database, table: formatRelation(target.relation), column: received.name, type, attribute },
  });
};
