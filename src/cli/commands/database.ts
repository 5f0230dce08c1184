/** `add|list|update|remove db`. */
import type { Db } from '../../control/db.ts';
import {
  addDatabase,
  listDatabases,
  removeDatabase,
  updateDatabase,
  withoutSecrets,
} from '../../control/database.ts';
import { listDbGroups } from '../../control/dbgroup.ts';
import { loadSyncDefinitions } from '../../control/sync-definition.ts';
import { readServerFacts } from '../../connectors/postgres/server-facts.ts';
import { isReplicationError, ReplicationError } from '../../model/errors.ts';
import {
  type ConnectionParameters,
  connectionStatuses,
  type Database,
  type DatabaseName,
} from '../../model/topology.ts';
import { change, look, type Say } from '../change.ts';
import { command, ExitCode } from '../command.ts';
import {
  connectionKeys,
  connectionParameters,
  parametersOf,
  psqlCommand,
  withoutEmpty,
} from '../connection-settings.ts';
import type { Context } from '../context.ts';
import { joinDbGroup } from '../dbgroup-members.ts';
import { key } from '../grammar/settings.ts';
import { usageError } from '../grammar/usage.ts';
import { boolean, choice, namedRole, text } from '../grammar/values.ts';
import { flattenNames } from '../grammar/words.ts';
import { filter, select } from '../selection.ts';

const optionKeys = {
  status: key(choice(connectionStatuses), 'active or inactive'),
  makedelta: key(boolean, 'on: what Tahr writes here is captured again, for chains'),
};

const addKeys = {
  ...connectionKeys,
  ...optionKeys,
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
    change(context, async (db, say) => {
      const wanted = flattenNames(names);
      if (wanted.length === 0)
        throw usageError(
          'No name is given for the database.',
          'Write `tahr add db NAME dbname=DATABASE host=HOST`.',
        );
      const given = connectionParameters(settings);
      for (const [index, name] of wanted.entries()) {
        const parameters = withoutEmpty(parametersOf(given, { index, count: wanted.length }));
        if (parameters['dbname'] === undefined && parameters['service'] === undefined)
          throw noDatabaseName(name);
        const { status = 'active', makedelta = false } = settings;
        const added = await addDatabase(db, { name, status, makedelta, parameters });
        say(`Added database "${name}"`);
        say(`  ${await testConnection(added, context)}`);
      }
      if (settings.dbgroup !== undefined)
        await joinGroup(db, { group: settings.dbgroup, names: wanted, say });
    }),
});

const noDatabaseName = (name: string): ReplicationError =>
  usageError(
    `Cannot add database "${name}": it is not said which database of the server it is.`,
    'Add dbname=DATABASE, or service=, or a connection string with conn=.',
  );

/** In a new group the first database becomes the source and the others targets, unless a role is given. */
const joinGroup = async (
  db: Db,
  { group, names, say }: { group: string; names: readonly string[]; say: Say },
): Promise<void> => {
  const { name, role } = namedRole(group);
  const isNew = !(await listDbGroups(db)).some((known) => known.name === name);
  const members = names.map((database, index) => ({
    name: database,
    role: role ?? (isNew && index === 0 ? ('source' as const) : ('target' as const)),
  }));
  await joinDbGroup(db, { group: name, members, say });
};

/** One sentence about what was found there. With --force a failure is only told. */
const testConnection = async (
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

export const listDbs = command({
  verb: 'list',
  noun: 'db',
  form: '[NAME…]',
  summary: 'List the databases.',
  keys: {},
  options: ['json', 'verbose'],
  run: async ({ names }, context) => {
    const { databases, groups, syncs } = await look(context, async (db) => ({
      databases: await listDatabases(db),
      groups: await listDbGroups(db),
      syncs: await loadSyncDefinitions(db),
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
    ...database.dbgroups.map(({ name, role }) => `  Belongs to dbgroup ${name} (${role})`),
    ...database.syncs.map(({ name, role }) => `  Used in sync ${name} in a role of ${role}`),
  ].join('\n');
};

export const updateDb = command({
  verb: 'update',
  noun: 'db',
  form: 'NAME… key=value…',
  summary: 'Change how databases are reached or used. An empty value takes a setting away.',
  keys: { ...connectionKeys, ...optionKeys },
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
        for (const line of differences(before, after))
          say(chosen.length === 1 ? line : `${before.name}: ${line}`);
        if (Object.keys(given).length > 0) say(`  ${await testConnection(after, context)}`);
      }
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
  return lines.length === 0 ? ['No change needed'] : lines;
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
        await removeDatabase(db, name);
        say(`Removed database "${name}"`);
      }
    }),
});
