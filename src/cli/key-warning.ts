/** Tables that no sync will take as they are, told when they are added rather than when a sync is. */
import { readTables } from '../connectors/postgres/introspect.ts';
import type { Db } from '../control/db.ts';
import { getInstallation } from '../control/installation.ts';
import { findRelation } from '../control/relation.ts';
import { errorCatalogue } from '../model/errors.ts';
import { type Database, formatRelation, type RelationName } from '../model/topology.ts';
import type { Say } from './change.ts';
import type { Context } from './context.ts';

interface Adding {
  readonly context: Context;
  /** Where the tables were found. */
  readonly database: Database;
  /** All are known to the control store. */
  readonly chosen: readonly RelationName[];
  readonly say: Say;
}

/** One note for each table whose rows cannot be told apart, by the key that is set for it or any other. */
export const warnOfKeys = async (db: Db, { context, database, chosen, say }: Adding): Promise<void> => {
  const { schema } = await getInstallation(db);
  const wanted = [];
  for (const { schema: namespace, name } of chosen) {
    const relation = { schema: namespace, name };
    wanted.push({ relation, keyIndex: (await findRelation(db, relation))?.keyIndex ?? null });
  }
  await using session = await context.connect(database);
  const tables = await readTables(session, wanted, { schema, oldestVersion: session.serverVersion });
  for (const table of tables) {
    if (table === null || table.key !== null) continue;
    const name = formatRelation(table.relation);
    say(
      `  Note: ${name} has no usable key: ${table.keyProblem}. ${errorCatalogue.relation_without_key.action}`,
    );
  }
};
