/** `list|update|remove db`. */
import { listDatabases, removeDatabase, updateDatabase, withoutSecrets } from '../../control/database.ts';
import type { Db } from '../../control/db.ts';
import { type DbGroup, listDbGroups } from '../../control/dbgroup.ts';
import { loadOwnQueueLimits, type OwnQueueLimit } from '../../control/queue-limit.ts';
import { loadSyncDefinitions } from '../../control/sync-definition.ts';
import { ReplicationError } from '../../model/errors.ts';
import type { ConnectionParameters, Database, DatabaseName } from '../../model/topology.ts';
import { change, look } from '../change.ts';
import { command, ExitCode } from '../command.ts';
import {
  connectionKeys,
  connectionParameters,
  databaseKeys,
  psqlCommand,
  withoutEmpty,
} from '../connection-settings.ts';
import { testConnection } from '../connection-test.ts';
import { usageError } from '../grammar/usage.ts';
import { queueLines, saveQueueSettings } from '../queue-settings.ts';
import { filter, select } from '../selection.ts';
import { installSyncsOf } from '../sync-install.ts';

export const listDbs = command({
  verb: 'list',
  noun: 'db',
  form: '[NAME…]',
  summary: 'List the databases.',
  keys: {},
  options: ['json', 'verbose'],
  run: async ({ names }, context) => {
    const { databases, groups, syncs, queues } = await look(context, async (db) => ({
      databases: await listDatabases(db),
      groups: await listDbGroups(db),
      syncs: await loadSyncDefinitions(db),
      queues: await loadOwnQueueLimits(db, 'db'),
    }));
    const chosen = filter({ words: names, existing: databases, nameOf: ({ name }) => name }).map(
      (database) => ({
        ...describe(database),
        dbgroups: groups.flatMap(({ name, members }) =>
          members.filter((member) => member.database === database.name).map(({ role }) => ({ name, role })),
        ),
        syncs: syncs.flatMap(({ name, members }) =>
          members
            .filter((member) => member.database.name === database.name)
            .map(({ role }) => ({ name, role })),
        ),
        queue: queues.get(String(database.id)),
      }),
    );
    const { out, options } = context;
    if (options.json === true) out.json(chosen);
    else if (chosen.length === 0)
      out.print(databases.length === 0 ? 'No databases have been added yet' : 'No matching databases found');
    else for (const database of chosen) out.print(databaseLines(database, options.verbose === true));
    return ExitCode.done;
  },
});

interface Listed extends ReturnType<typeof describe> {
  readonly dbgroups: readonly { name: string; role: string }[];
  readonly syncs: readonly { name: string; role: string }[];
  readonly queue: OwnQueueLimit | undefined;
}

const describe = ({ name, status, makedelta, parameters }: Database) => ({
  name,
  status,
  makedelta,
  parameters: withoutSecrets(parameters),
  hasPassword: 'password' in parameters,
});

const databaseLines = (database: Listed, isVerbose: boolean): string => {
  const line = [
    `Database: ${database.name}`,
    `Status: ${database.status}`,
    `Conn: ${psqlCommand(database.parameters)}`,
    ...(database.hasPassword ? ['(password stored)'] : []),
    ...(database.makedelta ? ['(makedelta on)'] : []),
  ].join('  ');
  if (!isVerbose) return line;
  return [
    line,
    ...queueLines(database.queue),
    ...database.dbgroups.map(({ name, role }) => `  Belongs to dbgroup ${name} (${role})`),
    ...database.syncs.map(({ name, role }) => `  Used in sync ${name} in a role of ${role}`),
  ].join('\n');
};

export const updateDb = command({
  verb: 'update',
  noun: 'db',
  form: 'NAME… key=value…',
  summary: 'Change how databases are reached or used. An empty value takes a setting away.',
  keys: { ...connectionKeys, ...databaseKeys },
  options: ['dryRun', 'force'],
  run: ({ names, settings }, context) =>
    change(context, async (db, say) => {
      const chosen = select({
        kind: 'database',
        listing: 'dbs',
        words: names,
        existing: await listDatabases(db),
        nameOf: ({ name }) => name,
      });
      if (Object.keys(settings).length === 0)
        throw usageError(
          'It is not said what to change.',
          'Write key=value; `tahr help update db` lists the keys.',
        );
      const given = connectionParameters(settings);
      for (const before of chosen) {
        const parameters = withoutEmpty({ ...before.parameters, ...given });
        const { status = before.status, makedelta = before.makedelta } = settings;
        const after = await updateDatabase(db, before.name, { parameters, status, makedelta });
        const queue = await saveQueueSettings(db, { database: before.id }, settings);
        const lines = [...differences(before, after), ...queue];
        for (const line of lines.length === 0 ? ['No change needed'] : lines)
          say(chosen.length === 1 ? line : `${before.name}: ${line}`);
        if (Object.keys(given).length > 0) say(`  ${await testConnection(after, context)}`);
      }
      const databases = chosen
        .filter((before) => before.status === 'inactive' && settings.status === 'active')
        .map(({ id }) => id);
      await installSyncsOf(db, { context, say, databases });
    }),
});

/** Secrets change without being told. */
const differences = (before: Database, after: Database): string[] => {
  const lines: string[] = [];
  const compare = (name: string, from: string, to: string): void => {
    if (from !== to) lines.push(`Changed ${name} from ${from} to ${to}`);
  };
  const onOff = (value: boolean): string => (value ? 'on' : 'off');
  compare('status', before.status, after.status);
  compare('makedelta', onOff(before.makedelta), onOff(after.makedelta));
  const names = new Set([...Object.keys(before.parameters), ...Object.keys(after.parameters)]);
  for (const name of names) {
    const isSecret = !(name in withoutSecrets({ [name]: '' }));
    if (isSecret && before.parameters[name] !== after.parameters[name]) lines.push(`Changed ${name}`);
    else if (!isSecret) compare(name, quoted(before.parameters, name), quoted(after.parameters, name));
  }
  return lines;
};

const quoted = (parameters: ConnectionParameters, name: string): string => {
  const value = parameters[name];
  return value === undefined ? 'nothing' : `"${value}"`;
};

export const removeDb = command({
  verb: 'remove',
  noun: 'db',
  form: 'NAME…',
  summary: 'Forget databases that no dbgroup uses.',
  keys: {},
  options: ['dryRun'],
  run: ({ names }, context) =>
    change(context, async (db, say) => {
      const existing = await listDatabases(db);
      for (const { name } of select<{ name: DatabaseName }>({
        kind: 'database',
        listing: 'dbs',
        words: names,
        existing,
        nameOf: (database) => database.name,
      })) {
        await assertInNoGroup(db, name);
        await removeDatabase(db, name);
        say(`Removed database "${name}"`);
      }
    }),
});

/** @throws ReplicationError `in_use` with the commands that take it out of its dbgroups */
const assertInNoGroup = async (db: Db, name: DatabaseName): Promise<void> => {
  const groups = (await listDbGroups(db)).filter(({ members }) =>
    members.some(({ database }) => database === name),
  );
  if (groups.length === 0) return;
  const names = groups.map((group) => `dbgroup ${group.name}`).join(', ');
  const steps = groups.map((group) => leavingCommand(group, name)).join(', ');
  throw new ReplicationError('in_use', {
    message: `The database "${name}" is still used by ${names}.`,
    hint: `Take it out first: ${steps}.`,
    facts: { kind: 'database', name, users: names },
  });
};

const leavingCommand = (group: DbGroup, name: DatabaseName): string => {
  const others = group.members.filter(({ database }) => database !== name);
  if (others.length === 0) return `\`tahr remove dbgroup ${group.name}\``;
  const words = others.map(({ database, role }) => `${database}:${role}`).join(' ');
  return `\`tahr update dbgroup ${group.name} ${words}\``;
};
