/** Connects to a database before it is added or changed. */
import { readServerFacts } from '../connectors/postgres/server-facts.ts';
import { isReplicationError, ReplicationError } from '../model/errors.ts';
import type { Database } from '../model/topology.ts';
import type { Context } from './context.ts';

/** One sentence about what was found there. With --force a failure is only told. */
export const testConnection = async (
  database: Pick<Database, 'name' | 'parameters'>,
  context: Context,
): Promise<string> => {
  try {
    await using session = await context.connect(database);
    const { version, role, database: found, isSuperuser, isInRecovery } = await readServerFacts(session);
    if (session.serverVersion < 130_000) {
      throw new ReplicationError('server_unsupported', {
        message: `Database "${database.name}" is PostgreSQL ${version}; version 13 is the oldest that works.`,
      });
    }
    const recovery = isInRecovery ? '; it is a standby, which can be neither source nor target' : '';
    return `PostgreSQL ${version}, database ${found}, as ${isSuperuser ? 'superuser' : 'role'} ${role}${recovery}`;
  } catch (error) {
    if (!isReplicationError(error) || error.code === 'server_unsupported') throw error;
    if (context.options.force === true) return `Not tested: ${error.message}`;
    throw new ReplicationError(error.code, {
      message: `Connection to database "${database.name}" failed: ${error.message}`,
      hint: 'Nothing was changed. Correct the settings, or use --force if the database will be there later.',
      facts: error.facts,
      cause: error,
    });
  }
};
