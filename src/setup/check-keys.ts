/**
 * Checks that a row has one name everywhere: the key of the first source must be the key of every other source, and
 * unique on every database that is written. Pure.
 */
import { type Table, uniqueOver } from '../connectors/postgres/table.ts';
import { errorFinding, type Finding } from './finding.ts';
import { isSource } from './members.ts';
import type { Side } from './side.ts';

export const checkKeys = (sides: readonly Side[]): Finding[] => {
  const first = sides.find(isSource);
  if (first === undefined) return [];
  const others = sides.filter((side) => side !== first);
  return others.flatMap((side) => checkTableKeys(first, side));
};

const checkTableKeys = (first: Side, side: Side): Finding[] =>
  side.tables.flatMap(({ relation, table }, index) => {
    const wanted = first.tables[index]?.table;
    if (!wanted?.key || !table?.key || side.role === 'fullcopy') return [];
    const columns = keyColumns(wanted);
    const isSame = isSource(side)
      ? sameSet(keyColumns(table), columns)
      : uniqueOver(table, columns) !== undefined;
    if (isSame) return [];
    const what = isSource(side)
      ? `has the key (${keyColumns(table).join(', ')}), and on ${first.database.name} it is (${columns.join(', ')})`
      : `has no unique index over (${columns.join(', ')}), the key on ${first.database.name}`;
    return [
      errorFinding('schema_differs', { database: side.database.name, relation: relation.relation, what }),
    ];
  });

const keyColumns = (table: Table): string[] => (table.key?.columns ?? []).map(({ name }) => name);

const sameSet = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((name) => other.includes(name));
