/** Checks that the sources understand the filters of their tables. */
import { objectionTo } from '../connectors/postgres/filter-check.ts';
import { errorFinding, type Finding } from './finding.ts';
import { isSource } from './members.ts';
import type { Side, SideTable } from './side.ts';

export const checkFilters = async (sides: readonly Side[]): Promise<Finding[]> => {
  const checked = await Promise.all(sides.filter(isSource).map(checkSide));
  return checked.flat();
};

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
