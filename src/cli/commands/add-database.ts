/** `add db`: connects first, so that a mistake is found while somebody looks. */
import { saveQueueSettings } from '../queue-settings.ts';
import { addDatabase } from '../../control/database.ts';
import type { Db } from '../../control/db.ts';
import { findDbGroup } from '../../control/dbgroup.ts';
import { checkName } from '../../control/name.ts';
import type { ReplicationError } from '../../model/errors.ts';
import { type Aftermath, change, type Say } from '../change.ts';
import { command } from '../command.ts';
import {
  connectionKeys,
  connectionParameters,
  databaseKeys,
  parametersOf,
  withoutEmpty,
} from '../connection-settings.ts';
import { testConnection } from '../connection-test.ts';
import type { Context } from '../context.ts';
import { joinDbGroup } from '../dbgroup-members.ts';
import { key } from '../grammar/settings.ts';
import { usageError } from '../grammar/usage.ts';
import { choice, namedRole, text } from '../grammar/values.ts';
import { flattenNames } from '../grammar/words.ts';
import { reinstallSyncs } from '../sync-install.ts';

const addKeys = {
  ...connectionKeys,
  ...databaseKeys,
  dbgroup: key(text, 'NAME or NAME:ROLE: put it into this dbgroup, made if there is none', ['group']),
  type: key(choice(['postgres', 'postgresql', 'pg']), 'postgres', ['dbtype']),
};

export const addDb = command({
  verb: 'add',
  noun: 'db',
  form: 'NAME[,NAME…] dbname=DATABASE [host=…] [port=…] [user=…] [key=value…]',
  summary: 'Make a database known, by a short name.',
  details:
    'It is connected to before it is added. With several names, lists in values are dealt out in turn.',
  keys: addKeys,
  options: ['dryRun', 'force'],
  run: ({ names, settings }, context) =>
    change(context, async (db, say, aftermath) => {
      const wanted = flattenNames(names);
      if (wanted.length === 0)
        throw usageError(
          'No name is given for the database.',
          'Write `tahr add db NAME dbname=DATABASE host=HOST`.',
        );
      for (const name of wanted) checkName('database', name);
      const given = connectionParameters(settings);
      for (const [index, name] of wanted.entries()) {
        const parameters = withoutEmpty(parametersOf(given, { index, count: wanted.length }));
        if (parameters['dbname'] === undefined && parameters['service'] === undefined)
          throw noDatabaseName(name);
        const { status = 'active', makedelta = false } = settings;
        const added = await addDatabase(db, { name, status, makedelta, parameters });
        say(`Added database "${name}"`);
        for (const line of await saveQueueSettings(db, { database: added.id }, settings)) say(`  ${line}`);
        say(`  ${await testConnection(added, context)}`);
      }
      if (settings.dbgroup !== undefined)
        await joinGroup(db, { context, say, aftermath, group: settings.dbgroup, names: wanted });
    }),
});

const noDatabaseName = (name: string): ReplicationError =>
  usageError(
    `Cannot add database "${name}": it is not said which database of the server it is.`,
    'Add dbname=DATABASE, or service=, or a connection string with conn=.',
  );

interface Joining {
  readonly context: Context;
  readonly say: Say;
  readonly aftermath: Aftermath;
  readonly group: string;
  readonly names: readonly string[];
}

/** In a new group the first database becomes the source and the others targets, unless a role is given. */
const joinGroup = async (db: Db, { context, say, aftermath, group, names }: Joining): Promise<void> => {
  const { name, role, priority } = namedRole(group);
  const isNew = (await findDbGroup(db, name)) === null;
  const members = names.map((database, index) => ({
    name: database,
    role: role ?? (isNew && index === 0 ? ('source' as const) : ('target' as const)),
    priority,
  }));
  const alter = () => joinDbGroup(db, { group: name, members, say });
  await reinstallSyncs(db, { context, say, aftermath, uses: (sync) => sync.dbgroup === name, alter });
};
