/** `list|update|remove sync`; adding one has a file of its own. */
import type { Db } from '../../control/db.ts';
import { loadOwnQueueLimits, type OwnQueueLimit } from '../../control/queue-limit.ts';
import { removeSync, type SyncChanges, updateSync } from '../../control/sync.ts';
import { loadSyncDefinition, loadSyncDefinitions } from '../../control/sync-definition.ts';
import { setRelGroupMembers } from '../../control/relgroup.ts';
import { ReplicationError } from '../../model/errors.ts';
import { type DatabaseName, formatRelation, type SyncDefinition } from '../../model/topology.ts';
import { type Aftermath, change, look, type Say } from '../change.ts';
import { command, ExitCode } from '../command.ts';
import type { Context } from '../context.ts';
import { copyHelp, copyNotice } from '../copy-notice.ts';
import { membersOf, setMembers } from '../dbgroup-members.ts';
import { formatInterval } from '../amounts.ts';
import { queueLines, saveQueueSettings } from '../queue-settings.ts';
import { given } from '../given.ts';
import type { Settings } from '../grammar/settings.ts';
import { usageError } from '../grammar/usage.ts';
import { findMembers } from '../relation-finding.ts';
import { filter } from '../selection.ts';
import { normalStrategy, sourceNames } from '../strategy.ts';
import { reinstallSyncs, uninstall } from '../sync-install.ts';
import { setMakedelta } from '../sync-relations.ts';
import { selectSyncs } from '../sync-selection.ts';
import { sayIgnored, syncKeys } from '../sync-settings.ts';

export const listSyncs = command({
  verb: 'list',
  noun: 'sync',
  form: '[NAME…] [active|inactive]',
  summary: 'List the syncs.',
  keys: {},
  options: ['json', 'verbose'],
  run: async ({ names }, context) => {
    const { existing, queues } = await look(context, async (db) => ({
      existing: await loadSyncDefinitions(db),
      queues: await loadOwnQueueLimits(db, 'sync'),
    }));
    const status = names.find((name) => name === 'active' || name === 'inactive');
    const words = names.filter((name) => name !== status);
    const chosen = filter({ words, existing, nameOf: ({ name }) => name }).filter(
      (sync) => status === undefined || sync.status === status,
    );
    const { out, options } = context;
    if (options.json === true)
      out.json(chosen.map((sync) => ({ ...describe(sync), queue: queues.get(sync.id) })));
    else if (chosen.length === 0)
      out.print(existing.length === 0 ? 'No syncs have been added yet' : 'No syncs found');
    else
      for (const sync of chosen)
        out.print(
          [syncLine(sync), ...(options.verbose === true ? details(sync, queues.get(sync.id)) : [])].join(
            '\n',
          ),
        );
    return ExitCode.done;
  },
});

/** Nothing of how a database is reached. */
const describe = ({ members, relations, ...sync }: SyncDefinition) => ({
  ...sync,
  members: members.map(({ database, role }) => ({ database: database.name, role })),
  relations: relations.map(({ kind, relation, keyIndex, conflictStrategy, makedelta }) => ({
    kind,
    ...relation,
    keyIndex,
    conflictStrategy,
    makedelta,
  })),
});

const syncLine = (sync: SyncDefinition): string => {
  const members = sync.members.map(({ database, role }) => `${database.name}:${role}`).join(' ');
  const state = sync.status === 'inactive' ? 'Inactive' : sync.isPaused ? 'Paused' : 'Active';
  return `Sync "${sync.name}"  Relgroup "${sync.relgroup}"  DB group "${sync.dbgroup}" ${members}  [${state}]`;
};

const details = (sync: SyncDefinition, queue: OwnQueueLimit | undefined): string[] => [
  `  Conflict strategy: ${sync.conflictStrategy}  Sequences: ${sync.sequence}  Autokick: ${onOff(sync.autokick)}  Check time: ${formatInterval(sync.checktimeMs)}${sync.cron === null ? '' : `  Cron: ${sync.cron}`}`,
  ...queueLines(queue),
  `  Relations: ${sync.relations.map(({ relation }) => formatRelation(relation)).join(', ')}`,
];

export const updateSyncs = command({
  verb: 'update',
  noun: 'sync',
  form: 'NAME… key=value…',
  summary: 'Change syncs; the running daemon takes it up by itself.',
  details: [
    'onetimecopy=1 or 2 asks for a copy each time that it is given. tables= and dbs= replace the members.',
    copyHelp,
  ].join('\n'),
  keys: syncKeys,
  options: ['dryRun'],
  run: ({ names, settings }, context) =>
    change(context, async (db, say, aftermath) => {
      const { words, wanted } = readWords(names, settings);
      if (Object.keys(wanted).length === 0)
        throw usageError(
          'It is not said what to change.',
          'Write key=value; `tahr help update sync` lists the keys.',
        );
      for (const sync of await selectSyncs(db, words))
        await updateOne(db, { context, say, aftermath, sync, settings: wanted });
    }),
});

type SyncSettings = Settings<typeof syncKeys>;

/** `set`, `activate` and `inactivate` may stand among the names. */
const readWords = (
  names: readonly string[],
  settings: SyncSettings,
): { words: string[]; wanted: SyncSettings } => {
  const status = names.includes('activate')
    ? 'active'
    : names.includes('inactivate')
      ? 'inactive'
      : settings.status;
  const words = names.filter((word) => !['set', 'activate', 'inactivate'].includes(word));
  return { words, wanted: status === undefined ? settings : { ...settings, status } };
};

interface Update {
  readonly context: Context;
  readonly say: Say;
  readonly aftermath: Aftermath;
  readonly sync: SyncDefinition;
  readonly settings: SyncSettings;
}

const updateOne = async (db: Db, { context, say, aftermath, sync, settings }: Update): Promise<void> => {
  const alter = async (): Promise<void> => {
    await updateSync(db, sync.name, groupChanges(settings));
    const { relgroup = sync.relgroup, dbgroup = sync.dbgroup, tables, dbs, makedelta } = settings;
    if (dbs !== undefined)
      await setMembers(db, {
        group: await ownGroup(db, { kind: 'dbgroup', name: dbgroup, sync }),
        members: membersOf(dbs),
        say,
      });
    if (tables !== undefined) {
      const relations = await findMembers(db, { context, words: tables, database: null });
      await setRelGroupMembers(
        db,
        await ownGroup(db, { kind: 'relgroup', name: relgroup, sync }),
        relations.map(({ id }) => id),
      );
    }
    if (makedelta !== undefined) await setMakedelta(db, sync.name, makedelta);
    const sources = sourceNames(await loadSyncDefinition(db, sync.name));
    await updateSync(db, sync.name, ownChanges(settings, sources));
  };
  await reinstallSyncs(db, { context, say, aftermath, uses: () => true, alter });
  const after = await loadSyncDefinition(db, sync.name);
  const queue = await saveQueueSettings(db, { sync: sync.id }, settings);
  const lines = [...differences(sync, after), ...queue];
  for (const line of lines.length === 0 ? ['No change needed'] : lines) say(`${sync.name}: ${line}`);
  sayIgnored(settings, say);
};

const groupChanges = ({ relgroup, dbgroup }: SyncSettings): SyncChanges => ({
  ...(relgroup === undefined ? {} : { relgroup }),
  ...(dbgroup === undefined ? {} : { dbgroup }),
});

/** A list given for one sync must not change another one behind its back. */
const ownGroup = async (
  db: Db,
  { kind, name, sync }: { kind: 'relgroup' | 'dbgroup'; name: string; sync: SyncDefinition },
): Promise<string> => {
  const others = (await loadSyncDefinitions(db)).filter(
    (other) => other[kind] === name && other.id !== sync.id,
  );
  if (others.length === 0) return name;
  const users = others.map((other) => other.name).join(', ');
  throw new ReplicationError('in_use', {
    message: `The ${kind} "${name}" of sync "${sync.name}" is also used by ${users}.`,
    hint: `Use \`tahr update ${kind} ${name} …\` to change it for all of them, or give the sync another ${kind} with ${kind}=.`,
  });
};

const ownChanges = (settings: SyncSettings, sources: readonly DatabaseName[]): SyncChanges => {
  const { conflict_strategy: strategy } = settings;
  return given<SyncChanges>({
    conflictStrategy: strategy === undefined ? undefined : normalStrategy(strategy, sources),
    sequence: settings.sequence,
    onetimecopy: settings.onetimecopy,
    analyzeAfterCopy: settings.analyze_after_copy,
    vacuumAfterCopy: settings.vacuum_after_copy,
    rebuildIndex: settings.rebuild_index,
    strictChecking: settings.strict_checking,
    deleteMethod: settings.deletemethod,
    cron: settings.cron,
    autokick: settings.autokick,
    checktimeMs: settings.checktime,
    overdueMs: settings.overdue,
    expiredMs: settings.expired,
    status: settings.status,
  });
};

const differences = (before: SyncDefinition, after: SyncDefinition): string[] => {
  const lines = facts(after).flatMap(([name, value], index) => {
    const old = facts(before)[index]?.[1];
    return old === value ? [] : [`Changed ${name} from ${old} to ${value}`];
  });
  if (after.copyGeneration > before.copyGeneration)
    lines.push('A copy was asked for; `tahr status` shows its progress', ...copyNotice(after));
  return lines;
};

const onOff = (value: boolean): string => (value ? 'on' : 'off');

const facts = (sync: SyncDefinition): [string, string][] => [
  ['relgroup', sync.relgroup],
  ['dbgroup', sync.dbgroup],
  ['databases', sync.members.map(({ database, role }) => `${database.name}:${role}`).join(',')],
  ['relations', sync.relations.map(({ relation }) => formatRelation(relation)).join(',')],
  ['conflict_strategy', sync.conflictStrategy],
  ['sequence', sync.sequence],
  ['onetimecopy', String(sync.onetimecopy)],
  ['analyze_after_copy', onOff(sync.analyzeAfterCopy)],
  ['vacuum_after_copy', onOff(sync.vacuumAfterCopy)],
  ['rebuild_index', onOff(sync.rebuildIndex)],
  ['strict_checking', onOff(sync.strictChecking)],
  ['deletemethod', sync.deleteMethod],
  ['autokick', onOff(sync.autokick)],
  ['checktime', formatInterval(sync.checktimeMs)],
  ['cron', sync.cron ?? 'none'],
  ['overdue', formatInterval(sync.overdueMs)],
  ['expired', formatInterval(sync.expiredMs)],
  ['status', sync.status],
];

export const removeSyncs = command({
  verb: 'remove',
  noun: 'sync',
  form: 'NAME…',
  summary:
    'Remove syncs, with everything that they keep on their databases. Groups and the conflict log stay.',
  keys: {},
  options: ['dryRun'],
  run: ({ names }, context) =>
    change(context, async (db, say, aftermath) => {
      for (const sync of await selectSyncs(db, names)) {
        await removeSync(db, sync.name);
        say(`Removed sync "${sync.name}"`);
        aftermath.whenCommitted(() => uninstall(context, sync));
      }
    }),
});
