/**
 * `add sync`: the groups that it needs, the sync itself, and its installation on all databases. When anything
 * fails, nothing of it remains, neither in the control store nor on a database.
 */
import type { Db } from '../../control/db.ts';
import { getDbGroup, listDbGroups } from '../../control/dbgroup.ts';
import { getRelGroup, listRelGroups } from '../../control/relgroup.ts';
import { addSync as storeSync } from '../../control/sync.ts';
import { loadSyncDefinition } from '../../control/sync-definition.ts';
import type { SyncDefinition } from '../../model/topology.ts';
import { change, type Say } from '../change.ts';
import { command } from '../command.ts';
import type { Context } from '../context.ts';
import { saveQueueSettings } from '../queue-settings.ts';
import { copyHelp, copyNotice, fullCopyNotice } from '../copy-notice.ts';
import { joinDbGroup, membersOf } from '../dbgroup-members.ts';
import type { Settings } from '../grammar/settings.ts';
import { usageError } from '../grammar/usage.ts';
import { namedRoles } from '../grammar/values.ts';
import { splitList, unquote } from '../grammar/words.ts';
import { findMembers, joinRelGroup } from '../relation-finding.ts';
import { normalStrategy } from '../strategy.ts';
import { install, undoInstall } from '../sync-install.ts';
import { setMakedelta } from '../sync-relations.ts';
import { sayIgnored, syncKeys } from '../sync-settings.ts';

export const addSync = command({
  verb: 'add',
  noun: 'sync',
  form: 'NAME relgroup=NAME|tables=A,B,… dbgroup=NAME|dbs=A:source,B:target,… [key=value…]',
  summary: 'Replicate tables and sequences between databases.',
  details: [
    'The tables are checked on all databases, and their changes are captured from this moment on.',
    'Without onetimecopy= the databases are taken to hold the same rows already.',
    copyHelp,
  ].join('\n'),
  keys: syncKeys,
  options: ['dryRun'],
  run: async ({ names, settings }, context) => {
    const [name, ...more] = names;
    if (name === undefined)
      throw usageError('No name is given for the sync.', 'Write `tahr add sync NAME tables=… dbs=…`.');
    if (more.length > 0)
      throw usageError(
        `A sync has one name, but "${more[0]}" follows "${name}".`,
        'Name tables with tables= and databases with dbs=.',
      );
    return change(context, async (db, say, aftermath) => {
      const definition = await store(db, { context, say, name: unquote(name), settings });
      await install(db, { context, definition, say });
      copyNotice(definition).forEach(say);
      fullCopyNotice(definition, definition.members).forEach(say);
      if (context.options.dryRun !== true) aftermath.whenLost(() => undoInstall(context, definition));
    });
  },
});

interface NewSync {
  readonly context: Context;
  readonly say: Say;
  readonly name: string;
  readonly settings: Settings<typeof syncKeys>;
}

const store = async (db: Db, added: NewSync): Promise<SyncDefinition> => {
  const { say, name, settings } = added;
  const later: string[] = [];
  const dbgroup = await dbgroupOf(db, added, (line) => later.push(line));
  const { members } = await getDbGroup(db, dbgroup);
  const sources = members.filter(({ role }) => role === 'source').map(({ database }) => database);
  const relgroup = await relgroupOf(db, { ...added, source: sources[0] ?? null }, (line) => later.push(line));
  await storeSync(db, {
    name,
    relgroup,
    dbgroup,
    status: settings.status ?? 'active',
    conflictStrategy: normalStrategy(settings.conflict_strategy ?? 'default', sources),
    sequence: settings.sequence ?? 'highest',
    autokick: settings.autokick ?? true,
    checktimeMs: settings.checktime ?? null,
    overdueMs: settings.overdue ?? null,
    expiredMs: settings.expired ?? null,
    onetimecopy: settings.onetimecopy ?? 0,
    analyzeAfterCopy: settings.analyze_after_copy ?? true,
    vacuumAfterCopy: settings.vacuum_after_copy ?? false,
    rebuildIndex: settings.rebuild_index ?? false,
    strictChecking: settings.strict_checking ?? false,
    deleteMethod: settings.deletemethod ?? 'delete',
    cron: settings.cron ?? null,
  });
  if (settings.makedelta !== undefined) await setMakedelta(db, name, settings.makedelta);
  say(`Added sync "${name}"`);
  const { id } = await loadSyncDefinition(db, name);
  for (const line of await saveQueueSettings(db, { sync: id }, settings)) say(`  ${line}`);
  later.forEach(say);
  sayIgnored(settings, say);
  return loadSyncDefinition(db, name);
};

/** The group that is named, or a new one of the databases that are. Groups are never shared without being named. */
const dbgroupOf = async (db: Db, { name, settings }: NewSync, say: Say): Promise<string> => {
  const { dbgroup, dbs } = settings;
  if (dbgroup !== undefined && dbs !== undefined)
    throw usageError('Both dbgroup= and dbs= are given.', 'Give one of them.');
  const members =
    dbs ?? (dbgroup === undefined || !/[,:]/.test(dbgroup) ? null : namedRoles(dbgroup, 'dbgroup'));
  if (members === null && dbgroup === undefined) {
    throw usageError(
      'Need to specify which dbgroup (or list of databases) for this sync.',
      'Add dbgroup=NAME or dbs=A:source,B:target.',
    );
  }
  const groups = (await listDbGroups(db)).map((group) => group.name);
  const single = dbgroup ?? (members?.length === 1 ? members[0]?.name : undefined);
  if (single !== undefined && groups.includes(single)) return single;
  if (members === null) return (await getDbGroup(db, single ?? '')).name;
  const group = freeName(name, groups);
  await joinDbGroup(db, { group, members: membersOf(members), say });
  return group;
};

/** The relgroup that is named, or a new one of the tables that are, looked up on the first source. */
const relgroupOf = async (
  db: Db,
  { context, name, settings, source }: NewSync & { source: string | null },
  say: Say,
): Promise<string> => {
  const { relgroup, tables } = settings;
  if (relgroup !== undefined && tables !== undefined)
    throw usageError('Both relgroup= and tables= are given.', 'Give one of them.');
  const words = tables ?? (relgroup?.includes(',') === true ? splitList(relgroup) : null);
  if (words === null && relgroup === undefined) {
    throw usageError(
      'Must specify a relgroup (or a list of tables) for this sync.',
      'Add relgroup=NAME or tables=A,B.',
    );
  }
  const groups = (await listRelGroups(db)).map((group) => group.name);
  if (words === null) return (await getRelGroup(db, relgroup ?? '')).name;
  const relations = await findMembers(db, { context, words, database: source });
  const group = freeName(name, groups);
  await joinRelGroup(db, { relgroup: group, relations, say });
  return group;
};

/** `shop`, or `shop_2`, `shop_3` … where that is taken. */
const freeName = (name: string, taken: readonly string[]): string => {
  let candidate = name;
  for (let number = 2; taken.includes(candidate); number++) candidate = `${name}_${number}`;
  return candidate;
};
