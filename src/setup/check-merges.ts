/** Checks that the columns of tables whose rows are merged can be. Pure. */
import type { Column, Table } from '../connectors/postgres/table.ts';
import type { MergeSpec } from '../model/topology.ts';
import { errorFinding, type Finding } from './finding.ts';
import { isSource } from './members.ts';
import type { Side, SideTable } from './side.ts';

export const checkMerges = (sides: readonly Side[]): Finding[] => {
  const sources = sides.filter(isSource);
  return sources.length < 2
    ? []
    : sources.flatMap((side) => side.tables.flatMap((table) => checkTable(side, table)));
};

const checkTable = (side: Side, { relation, table }: SideTable): Finding[] => {
  const { merge } = relation;
  if (merge === null || table === null) return [];
  const at = { database: side.database.name, relation: relation.relation };
  const findings = problemsOf(merge, table).map(({ column, what }) =>
    errorFinding('merge_invalid', { ...at, column, what }),
  );
  if (table.isOwner) return findings;
  const what =
    'is not owned by the role, which has to note what rows are merged by, also as it writes them itself';
  const hint = 'Make the role a member of its owner; `docs/privileges.md` has the SQL.';
  return [...findings, errorFinding('privilege_missing', { ...at, what, hint })];
};

interface Problem {
  readonly column: string;
  readonly what: string;
}

const numbers: ReadonlySet<string> = new Set(['smallint', 'integer', 'bigint', 'numeric']);

const problemsOf = (merge: MergeSpec, table: Table): Problem[] => {
  const lists = [
    ...merge.counters.map((name) => ({ name, wanted: 'a counter', isFit: isCounter })),
    ...merge.objects.map((name) => ({ name, wanted: 'an object', isFit: isObject })),
    ...merge.sets.map((name) => ({ name, wanted: 'a set', isFit: isSet })),
  ];
  const key = new Set((table.key?.columns ?? []).map(({ name }) => name));
  return lists.flatMap(({ name, wanted, isFit }, index): Problem[] => {
    const column = table.columns.find((candidate) => candidate.name === name);
    const refuse = (what: string): Problem[] => [{ column: name, what }];
    if (column === undefined) return refuse(`has no column "${name}" that could be merged as ${wanted}`);
    if (key.has(name) || column.isGenerated)
      return refuse(`has the column "${name}" in its key, or computes it`);
    if (lists.findIndex((other) => other.name === name) < index)
      return refuse(`is to merge the column "${name}" in two ways`);
    const problem = isFit(column);
    return problem === null ? [] : refuse(`cannot merge the column "${name}" as ${wanted}: ${problem}`);
  });
};

/** Null where it fits; else why not. */
const isCounter = ({ baseType, type, notNull }: Column): string | null => {
  if (!numbers.has(baseType)) return `it is ${type}, not a whole number or numeric`;
  return notNull ? null : 'it may be NULL';
};

const isObject = ({ baseType, type }: Column): string | null =>
  baseType === 'jsonb' ? null : `it is ${type}, not jsonb`;

const isSet = ({ baseType, type }: Column): string | null =>
  baseType.endsWith('[]') ? null : `it is ${type}, not an array`;
