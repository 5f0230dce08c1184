/** Checks of the servers of a sync, whatever its tables. Pure. */
import { errorFinding, type Finding, warningFinding } from './finding.ts';
import { isSource } from './members.ts';
import type { Side } from './side.ts';

const oldestVersion = 130000;

export const checkServers = (sides: readonly Side[]): Finding[] => [
  ...sides.flatMap(checkServer),
  ...checkEncodings(sides),
];

const checkServer = (side: Side): Finding[] => {
  const { traits } = side;
  const database = side.database.name;
  const findings: Finding[] = [];
  if (traits.version < oldestVersion) {
    const version = `${Math.floor(traits.version / 10_000)}`;
    findings.push(
      errorFinding('server_unsupported', { database, what: `is on PostgreSQL ${version}; 13 is the oldest` }),
    );
  }
  // A standby may be what everything is copied from.
  if (traits.isInRecovery && !(isSource(side) && !side.usesDeltas))
    findings.push(errorFinding('server_unsupported', { database, what: 'is in recovery: it is a standby' }));
  if (!side.usesDeltas) return findings;
  if (traits.publicationForAllTables !== null) {
    const what = `has the publication "${traits.publicationForAllTables}" FOR ALL TABLES`;
    findings.push(errorFinding('publication_for_all_tables', { database, what }));
  }
  if (side.foreign !== null) findings.push({ severity: 'error', error: side.foreign });
  if (!traits.schemaExists && !traits.mayCreateSchema) {
    const what = 'does not let the role create the schema that Tahr needs (CREATE on the database)';
    findings.push(errorFinding('privilege_missing', { database, what }));
  }
  if (!traits.mayStage) {
    const what =
      'does not let the role create temporary tables, in which rows are staged (TEMPORARY on the database)';
    findings.push(errorFinding('privilege_missing', { database, what }));
  }
  if (isSource(side) && traits.hasTempFileLimit) {
    const what = 'has a temp_file_limit: a statement that changes many rows needs room for a copy of them';
    const hint = 'Raise temp_file_limit above the largest bulk change, or set it to -1.';
    findings.push(warningFinding('out_of_resources', { database, what, hint }));
  }
  return findings;
};

/** SQL_ASCII means that the server does not know what its bytes are, so nothing can be converted. */
const checkEncodings = (sides: readonly Side[]): Finding[] => {
  const plain = sides.find(({ traits }) => traits.encoding === 'SQL_ASCII');
  const encoded = sides.find(({ traits }) => traits.encoding !== 'SQL_ASCII');
  if (plain === undefined || encoded === undefined) return [];
  const what = `has the encoding SQL_ASCII and ${encoded.database.name} has ${encoded.traits.encoding}`;
  return [errorFinding('encoding_differs', { database: plain.database.name, what })];
};
