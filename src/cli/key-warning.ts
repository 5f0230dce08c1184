/** Tables that no sync will take as they are, told when they are added rather than when a sync is. */
import { readTables } from '../connectors/postgres/introspect.ts';
import type { RelationName } from '../model/topology.ts';
import { errorCatalogue } from '../model/errors.ts';
import { formatRelation } from '../model/topology.ts';
import type { Session } from '../pg/session.ts';

interface Wanted {
  readonly relation: RelationName;
  readonly keyIndex: string | null;
}

/** One sentence for each table whose rows cannot be told apart. */
export const keyWarnings = async (
  session: Session,
  wanted: readonly Wanted[],
  schema: string,
): Promise<string[]> => {
  const tables = await readTables(session, wanted, { schema, oldestVersion: session.serverVersion });
  return tables.flatMap((table) =>
    table === null || table.key !== null
      ? []
      : [
          `${formatRelation(table.relation)} has no usable key: ${table.keyProblem}. ${errorCatalogue.relation_without_key.action}`,
        ],
  );
};
