/** Checks that the sources understand the filters of their tables. */
import { objectionTo } from '../connectors/postgres/filter-check.ts';
import { operations } from '../model/topology.ts';
import { errorFinding, type Finding } from './finding.ts';
import { isSource } from './members.ts';
import type { Side, SideTable } from './side.ts';

export const checkFilters = async (sides: readonly Side[]): Promise<Finding[]> => {
  const checked = await Promise.all(sides.filter(isSource).map(checkSide));
  return [...checked.flat(), ...sides.filter(({ role }) => role === 'fullcopy').flatMap(checkOperations)];
};

/** A table that is replaced whole has no single operations that could be left out. */
const checkOperations = ({ database, tables }: Side): Finding[] =>
  tables.flatMap(({ relation }) => {
    const filter = relation.filters.find((one) => one.database === database.id);
    if (filter === undefined || filter.operations.length === operations.length) return [];
    const what = `is replaced whole, and cannot be filtered by operations`;
    const at = { database: database.name, relation: relation.relation };
    return [errorFinding('filter_invalid', { ...at, what })];
  });

const checkSide = async ({ session, database, tables }: Side): Promise<Finding[]> => {
  const findings: Finding[] = [];
  for (const { relation, table } of tables)
    for (const where of conditionsOf(relation)) {
      const objection = table === null ? null : await objectionTo(session, table, where);
      if (objection === null) continue;
      const what = `cannot be filtered by ${where}: ${objection.message.replace(/\.$/, '')}`;
      const at = { database: database.name, relation: relation.relation };
      findings.push(errorFinding('filter_invalid', { ...at, what }));
    }
  return findings;
};

const conditionsOf = ({ filters }: SideTable['relation']): ReadonlySet<string> =>
  new Set(filters.flatMap(({ where }) => (where === null ? [] : [where])));
