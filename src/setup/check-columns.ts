/** Checks that the rows of each source fit into the tables of every other database. Pure. */
import { findDifference } from '../connectors/postgres/composite.ts';
import { type Column, sentColumns, type Table } from '../connectors/postgres/table.ts';
import type { RelationName } from '../model/topology.ts';
import { errorFinding, type Finding } from './finding.ts';
import { isSource } from './members.ts';
import type { Side } from './side.ts';
import { typeFits } from './type-fits.ts';

export const checkColumns = (sides: readonly Side[]): Finding[] => {
  const sources = sides.filter(isSource);
  return sources.flatMap((source) =>
    sides
      .filter((side) => side !== source && (side.usesDeltas || source === sources[0]))
      .flatMap((side) => checkPair(source, side)),
  );
};

interface Way {
  readonly from: string;
  readonly to: string;
  readonly relation: RelationName;
}

const checkPair = (source: Side, side: Side): Finding[] =>
  side.tables.flatMap(({ relation, table }, index) => {
    const sender = source.tables[index];
    const sent = sender?.projections.get(side.database.id) ?? sender?.table;
    if (!sent || table === null || sender?.projectionProblem) return [];
    const way = { from: source.database.name, to: side.database.name, relation: relation.relation };
    return [...checkSent(way, sent, table), ...checkExtra(way, sent, table)];
  });

const checkSent = (way: Way, sent: Table, table: Table): Finding[] =>
  sentColumns(sent).flatMap((column) => {
    const problem = problemOf(
      way,
      column,
      table.columns.find(({ name }) => name === column.name),
    );
    return problem === null ? [] : [differs(way, column.name, problem)];
  });

const problemOf = ({ from }: Way, column: Column, target: Column | undefined): string | null => {
  if (target === undefined) return `has no column "${column.name}", which ${from} has`;
  if (target.isGenerated) return `generates the column "${column.name}", which ${from} stores`;
  if (!typeFits(column, target))
    return `has the column "${column.name}" as ${target.type}, which does not hold every ${column.type} of ${from}`;
  const difference = findDifference(column.composites, target.composites);
  return difference === null
    ? null
    : `has a column "${column.name}" that does not fit that of ${from}: ${difference.what}`;
};

/** Columns that only the written side has must fill themselves. */
const checkExtra = (way: Way, sent: Table, table: Table): Finding[] => {
  const names = new Set(sentColumns(sent).map(({ name }) => name));
  return table.columns
    .filter((column) => !names.has(column.name) && !fillsItself(column))
    .map(({ name }) =>
      differs(way, name, `has a column "${name}" that ${way.from} lacks, NOT NULL and without a default`),
    );
};

const fillsItself = ({ notNull, hasDefault, isGenerated, identity }: Column): boolean =>
  !notNull || hasDefault || isGenerated || identity !== 'none';

const differs = ({ to, relation }: Way, column: string, what: string): Finding =>
  errorFinding('schema_differs', { database: to, relation, column, what });
