/** `uninstall db`: a database without anything of Tahr. */
import { listDatabases } from '../../control/database.ts';
import { getInstallation } from '../../control/installation.ts';
import { loadSyncDefinitions } from '../../control/sync-definition.ts';
import { isReplicationError, ReplicationError } from '../../model/errors.ts';
import type { Database, SyncDefinition } from '../../model/topology.ts';
import { removedByHand, uninstallFrom } from '../../setup/uninstall.ts';
import { look } from '../change.ts';
import { command, ExitCode } from '../command.ts';
import type { Context } from '../context.ts';
import { select } from '../selection.ts';

export const uninstallDb = command({
  verb: 'uninstall',
  noun: 'db',
  form: 'NAME…',
  summary: 'Remove the schema of Tahr, with everything in it, from databases that no sync uses.',
  details:
    'The databases stay known; `tahr remove db` forgets them. What has to be run on one that cannot be reached is told.',
  keys: {},
  run: async ({ names }, context) => {
    const { chosen, syncs, installation } = await look(context, async (db) => ({
      chosen: select({
        kind: 'database',
        listing: 'dbs',
        words: names,
        existing: await listDatabases(db),
        nameOf: ({ name }) => name,
      }),
      syncs: await loadSyncDefinitions(db),
      installation: await getInstallation(db),
    }));
    for (const database of chosen) assertUnused(database, syncs);
    const isDone: boolean[] = [];
    for (const database of chosen) isDone.push(await uninstallOne(context, database, installation));
    return isDone.every(Boolean) ? ExitCode.done : ExitCode.failed;
  },
});

/** @throws ReplicationError `in_use` */
const assertUnused = ({ id, name }: Database, syncs: readonly SyncDefinition[]): void => {
  const users = syncs
    .filter(({ members }) => members.some(({ database }) => database.id === id))
    .map((sync) => `sync ${sync.name}`);
  if (users.length === 0) return;
  throw new ReplicationError('in_use', {
    message: `The database "${name}" is still used by ${users.join(', ')}.`,
    hint: 'Take it out of its dbgroup, or remove the sync, first. Nothing was changed.',
    facts: { kind: 'database', name, users: users.join(', ') },
  });
};

const uninstallOne = async (
  context: Context,
  database: Database,
  { id: installation, schema }: { readonly id: string; readonly schema: string },
): Promise<boolean> => {
  const { out, signal } = context;
  const { name } = database;
  try {
    await using session = await context.connect(database);
    const owner = { schema, installation, database: database.id };
    const wasThere = await uninstallFrom(session, owner, signal);
    out.say(wasThere ? `Uninstalled from database "${name}"` : `Database "${name}" has nothing of Tahr`);
    return true;
  } catch (error) {
    if (!isReplicationError(error)) throw error;
    const isOurs = error.code !== 'foreign_installation';
    const byHand = ['  When it can be reached again, run there:', `    ${removedByHand(schema)}`];
    const problem = `Database "${name}" was left as it is: ${error.message}`;
    out.warn([problem, ...(isOurs ? byHand : [])].join('\n'));
    return false;
  }
};
