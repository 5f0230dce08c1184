/** Checks of one database's tables by themselves: are they there, usable, and permitted. Pure. */
import type { TablePrivilege } from '../connectors/postgres/traits.ts';
import { errorFinding, type Finding, warningFinding } from './finding.ts';
import { isSource } from './members.ts';
import type { Side, SideTable } from './side.ts';

export const checkTables = (side: Side): Finding[] => side.tables.flatMap((table) => checkTable(side, table));

const checkTable = (side: Side, sideTable: SideTable): Finding[] => {
  const { table, found } = sideTable;
  const at = { database: side.database.name, relation: sideTable.relation.relation };
  if (table === null && found === null)
    return [errorFinding('relation_missing', { ...at, what: 'does not exist' })];
  if (table === null)
    return [errorFinding('relation_unsupported', { ...at, what: `is a ${found}, not a table` })];
  const findings = checkPrivileges(side, sideTable);
  if (sideTable.projectionProblem !== null)
    findings.push({ severity: 'error', error: sideTable.projectionProblem });
  if (table.key === null && side.usesDeltas)
    findings.push(
      errorFinding('relation_without_key', { ...at, what: `has no usable key: ${table.keyProblem}` }),
    );
  if (table.key?.isDeferrable === true && side.usesDeltas) {
    const what = `has the key "${table.key.index}", which is DEFERRABLE: Tahr checks it itself after each round`;
    findings.push(
      warningFinding('unique_conflict', { ...at, what, hint: 'A key that is not deferrable costs less.' }),
    );
  }
  if (table.hasRowSecurity)
    findings.push(
      errorFinding('row_security_active', { ...at, what: 'has row-level security that applies to the role' }),
    );
  const isWritten = side.usesDeltas || side.role === 'fullcopy';
  if (isWritten && !side.traits.hasReplicaRole && table.firesWithoutReplicaRole.length > 0) {
    const what = `would fire for replicated rows: ${table.firesWithoutReplicaRole.join(', ')}`;
    findings.push(errorFinding('replica_role_missing', { ...at, what }));
  }
  return findings;
};

const neededOn = (side: Side): TablePrivilege[] => {
  if (side.role === 'fullcopy')
    return ['SELECT', 'INSERT', side.deleteMethod === 'delete' ? 'DELETE' : 'TRUNCATE'];
  if (!side.usesDeltas) return ['SELECT'];
  return ['SELECT', 'INSERT', 'UPDATE', 'DELETE', ...(isSource(side) ? (['TRIGGER'] as const) : [])];
};

const checkPrivileges = (side: Side, { relation, privileges }: SideTable): Finding[] => {
  const missing = neededOn(side).filter((privilege) => !privileges.has(privilege));
  if (missing.length === 0) return [];
  const what = `does not give the role ${missing.join(', ')}, or not USAGE of its schema`;
  return [
    errorFinding('privilege_missing', { database: side.database.name, relation: relation.relation, what }),
  ];
};
