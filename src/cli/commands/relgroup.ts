/** `add|list|update|remove relgroup` (herd). */
import type { Relation } from '../../control/relation.ts';
import {
  addRelGroup,
  findRelGroup,
  getRelGroup,
  listRelGroups,
  removeRelGroup,
  setRelGroupMembers,
} from '../../control/relgroup.ts';
import { loadSyncDefinitions } from '../../control/sync-definition.ts';
import { formatRelation } from '../../model/topology.ts';
import { change, look } from '../change.ts';
import { command, ExitCode } from '../command.ts';
import { key } from '../grammar/settings.ts';
import { usageError } from '../grammar/usage.ts';
import { text } from '../grammar/values.ts';
import { splitList, unquote } from '../grammar/words.ts';
import { findMembers, joinRelGroup, sayRelations } from '../relation-finding.ts';
import { filter, select } from '../selection.ts';
import { reinstallSyncs } from '../sync-install.ts';

const keys = { db: key(text, 'the database to look on; else a source', ['database']) };

export const addRelgroup = command({
  verb: 'add',
  noun: 'relgroup',
  form: 'NAME [TABLE…] [db=NAME]',
  summary: 'Make a relgroup, or add tables and sequences to one.',
  keys,
  options: ['dryRun'],
  run: ({ names, settings }, context) =>
    change(context, async (db, say, aftermath) => {
      const { group, words } = groupAndWords(names);
      if (words.length === 0) {
        if ((await findRelGroup(db, group)) !== null) return say(`Relgroup "${group}" already exists`);
        await addRelGroup(db, group, []);
        return say(`Created relgroup "${group}"`);
      }
      const alter = async (): Promise<void> => {
        const relations = await findMembers(db, { context, words, database: settings.db ?? null });
        await joinRelGroup(db, { relgroup: group, relations, say });
      };
      return reinstallSyncs(db, { context, say, aftermath, uses: (sync) => sync.relgroup === group, alter });
    }),
});

const groupAndWords = (names: readonly string[]): { group: string; words: readonly string[] } => {
  const [group, ...words] = names;
  if (group === undefined)
    throw usageError('No name is given for the relgroup.', 'Write `tahr add relgroup NAME TABLE…`.');
  return {
    group: unquote(group),
    words: words.flatMap(splitList).map((word) => (word.toLowerCase() === 'all' ? '*' : word)),
  };
};

export const listRelgroups = command({
  verb: 'list',
  noun: 'relgroup',
  form: '[NAME…]',
  summary: 'List the relgroups with their tables and sequences.',
  keys: {},
  options: ['json'],
  run: async ({ names }, context) => {
    const { groups, syncs } = await look(context, async (db) => ({
      groups: await listRelGroups(db),
      syncs: await loadSyncDefinitions(db),
    }));
    const chosen = filter({ words: names, existing: groups, nameOf: ({ name }) => name }).map(
      ({ name, relations }) => ({
        name,
        relations: relations.map(({ kind, relation }) => ({ kind, ...relation })),
        syncs: syncs.filter(({ relgroup }) => relgroup === name).map((sync) => sync.name),
      }),
    );
    const { out, options } = context;
    if (options.json === true) out.json(chosen);
    else if (chosen.length === 0)
      out.print(groups.length === 0 ? 'There are no relgroups.' : 'There are no matching relgroups.');
    for (const { name, relations, syncs: users } of options.json === true ? [] : chosen) {
      out.print(`Relgroup: ${name}  Members: ${relations.map(formatRelation).join(', ') || 'none'}`);
      if (users.length > 0) out.print(`  Used in syncs: ${users.join(', ')}`);
    }
    return ExitCode.done;
  },
});

export const updateRelgroup = command({
  verb: 'update',
  noun: 'relgroup',
  form: 'NAME TABLE… [db=NAME]',
  summary: 'Make these tables and sequences, in this order, the only members.',
  keys,
  options: ['dryRun'],
  run: ({ names, settings }, context) =>
    change(context, async (db, say, aftermath) => {
      const { group, words } = groupAndWords(names);
      const before = await getRelGroup(db, group);
      if (words.length === 0)
        throw usageError(
          `No member is named for the relgroup "${group}".`,
          'The list replaces all members: name them all.',
        );
      const alter = async (): Promise<void> => {
        const relations = await findMembers(db, { context, words, database: settings.db ?? null });
        await setRelGroupMembers(
          db,
          group,
          relations.map(({ id }) => id),
        );
        const isIn = (list: readonly Relation[], { id }: Relation): boolean =>
          list.some((other) => other.id === id);
        sayRelations(
          say,
          `The following tables or sequences are now part of the relgroup "${group}":`,
          relations.filter((relation) => !isIn(before.relations, relation)),
        );
        sayRelations(
          say,
          `The following tables or sequences are no longer part of the relgroup "${group}":`,
          before.relations.filter((relation) => !isIn(relations, relation)),
        );
      };
      await reinstallSyncs(db, { context, say, aftermath, uses: (sync) => sync.relgroup === group, alter });
    }),
});

export const removeRelgroup = command({
  verb: 'remove',
  noun: 'relgroup',
  form: 'NAME…',
  summary: 'Remove relgroups that no sync uses.',
  keys: {},
  options: ['dryRun'],
  run: ({ names }, context) =>
    change(context, async (db, say) => {
      const existing = await listRelGroups(db);
      for (const { name } of select({
        kind: 'relgroup',
        listing: 'relgroups',
        words: names,
        existing,
        nameOf: ({ name }) => name,
      })) {
        await removeRelGroup(db, name);
        say(`Removed relgroup "${name}"`);
      }
    }),
});
