/** Takes a sync away from its databases: its consumers, its positions, and the capture that only it used. */
import { removeCapture } from '../connectors/postgres/capture.ts';
import { forgetSync, readUnusedCapture } from '../connectors/postgres/consumer.ts';
import { checkOwner } from '../connectors/postgres/identity.ts';
import { isReplicationError, type ReplicationError } from '../model/errors.ts';
import type { Database } from '../model/topology.ts';
import type { Session } from '../pg/session.ts';
import type { SetupOptions } from './install.ts';

/** A database from which the sync could not be removed. */
export interface Leftover {
  readonly database: Database;
  readonly error: ReplicationError;
  /** What removes the sync there, once the database can be reached. */
  readonly statements: readonly string[];
}

/**
 * Removes the sync from every member that can be reached, also from inactive ones.
 * @returns those that could not
 */
export const removeSync = async (options: SetupOptions): Promise<Leftover[]> => {
  const leftovers: Leftover[] = [];
  for (const { database } of options.definition.members) {
    try {
      await using session = await options.connect(database);
      await removeFrom(options, database, session);
    } catch (error) {
      if (!isReplicationError(error)) throw error;
      const statements = forgetSync(options.schema, options.definition.id).map(
        (statement) => `${statement.inlined()};`,
      );
      leftovers.push({ database, error, statements });
    }
  }
  return leftovers;
};

const removeFrom = async (options: SetupOptions, database: Database, session: Session): Promise<void> => {
  const { schema, installation, definition, signal } = options;
  const isInstalled = await checkOwner(session, { schema, installation, database: database.id });
  if (!isInstalled) return;
  await session.script(...forgetSync(schema, definition.id));
  await removeCapture(session, { schema, tables: await readUnusedCapture(session, schema), signal });
};
