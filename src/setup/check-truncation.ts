/** Checks that tables which are to be emptied by TRUNCATE can be: nothing else may refer to them. */
import { readReferrers } from '../connectors/postgres/catalogue.ts';
import { formatRelation } from '../model/topology.ts';
import { errorFinding, type Finding } from './finding.ts';
import type { Side } from './side.ts';

export const checkTruncation = async (sides: readonly Side[]): Promise<Finding[]> => {
  const truncated = sides.filter(
    ({ role, deleteMethod }) => role === 'fullcopy' && deleteMethod === 'truncate',
  );
  return (await Promise.all(truncated.map(checkSide))).flat();
};

const checkSide = async ({ session, database, tables }: Side): Promise<Finding[]> => {
  const oids = tables.flatMap(({ table }) => (table === null ? [] : [table.oid]));
  const referrers = await readReferrers(session, oids);
  return tables.flatMap(({ relation, table }) => {
    const outside = referrers.filter(({ referred }) => referred === table?.oid);
    if (outside.length === 0) return [];
    const names = outside.map((one) => formatRelation(one.relation)).join(', ');
    const what = `cannot be truncated: ${names} refers to it, and is not in the sync`;
    const at = { database: database.name, relation: relation.relation };
    return [errorFinding('truncate_impossible', { ...at, what })];
  });
};
