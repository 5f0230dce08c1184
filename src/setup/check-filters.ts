/** Checks that the sources understand the filters of their tables. */
import { rowsOf } from '../connectors/postgres/table.ts';
import { isReplicationError } from '../model/errors.ts';
import { sql } from '../pg/sql.ts';
import { errorFinding, type Finding } from './finding.ts';
import { isSource } from './members.ts';
import type { Side, SideTable } from './side.ts';

export const checkFilters = async (sides: readonly Side[]): Promise<Finding[]> => {
  const checked = await Promise.all(sides.filter(isSource).map(checkSide));
  return checked.flat();
};

const checkSide = async (side: Side): Promise<Finding[]> => {
  const findings: Finding[] = [];
  for (const sideTable of side.tables)
    for (const where of conditionsOf(sideTable))
      findings.push(...(await checkCondition(side, sideTable, where)));
  return findings;
};

const conditionsOf = ({ relation }: SideTable): ReadonlySet<string> =>
  new Set(relation.filters.flatMap(({ where }) => (where === null ? [] : [where])));

/** The server looks at the statement, and reads no rows. */
const checkCondition = async (
  { session, database }: Side,
  { relation: { relation }, table }: SideTable,
  where: string,
): Promise<Finding[]> => {
  if (table === null) return [];
  try {
    await session.query(sql`select from ${rowsOf(table, where)} t where false`);
    return [];
  } catch (error) {
    if (!isReplicationError(error) || !session.isUsable) throw error;
    const what = `cannot be filtered by ${where}: ${error.message.replace(/\.$/, '')}`;
    return [errorFinding('filter_invalid', { database: database.name, relation, what })];
  }
};
