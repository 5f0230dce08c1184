/** `list|update|remove table` and the same for sequences: the two differ in the noun only. */
import {
  listRelations,
  type Relation,
  type RelationChanges,
  removeRelation,
  updateRelation,
} from '../../control/relation.ts';
import { getRelGroup, listRelGroups, type RelGroup, setRelGroupMembers } from '../../control/relgroup.ts';
import { formatRelation, type RelationKind } from '../../model/topology.ts';
import { change, look } from '../change.ts';
import { type Command, command, ExitCode } from '../command.ts';
import { matchesRelation, relationPattern } from '../grammar/patterns.ts';
import { key } from '../grammar/settings.ts';
import { usageError } from '../grammar/usage.ts';
import { text } from '../grammar/values.ts';
import { splitList } from '../grammar/words.ts';
import { sayRelations } from '../relation-finding.ts';
import { selectRelations } from '../relation-selection.ts';
import { relationChanges, tableKeys } from '../relation-settings.ts';
import { reinstallSyncs, usesRelation } from '../sync-install.ts';

const empty: Readonly<Record<RelationKind, { none: string; unmatched: string }>> = {
  table: { none: 'No tables have been added yet', unmatched: 'No matching tables found' },
  sequence: { none: 'There are no sequences.', unmatched: 'No matching sequences found' },
};

export const listRelation = (kind: RelationKind): Command =>
  command({
    verb: 'list',
    noun: kind,
    form: '[NAME…]',
    summary: `List the ${kind}s that are known.`,
    keys: {},
    options: ['json'],
    run: async ({ names }, context) => {
      const { relations, groups } = await look(context, async (db) => ({
        relations: await listRelations(db),
        groups: await listRelGroups(db),
      }));
      const existing = relations.filter((relation) => relation.kind === kind);
      const patterns = names.flatMap(splitList).map(relationPattern);
      const isAll = patterns.length === 0 || (names.length === 1 && names[0] === 'all');
      const chosen = existing.filter(
        ({ relation }) => isAll || patterns.some((pattern) => matchesRelation(pattern, relation)),
      );
      const { out, options } = context;
      if (options.json === true)
        out.json(chosen.map((relation) => ({ ...relation, relgroups: groupsOf(relation, groups) })));
      else if (chosen.length === 0)
        out.print(existing.length === 0 ? empty[kind].none : empty[kind].unmatched);
      else chosen.forEach((relation, index) => out.print(relationLine(relation, { index, groups })));
      return ExitCode.done;
    },
  });

const groupsOf = ({ id }: Relation, groups: readonly RelGroup[]): string[] =>
  groups.filter(({ relations }) => relations.some((member) => member.id === id)).map(({ name }) => name);

const relationLine = (
  relation: Relation,
  { index, groups }: { index: number; groups: readonly RelGroup[] },
): string => {
  const relgroups = groupsOf(relation, groups);
  const noun = relation.kind === 'table' ? 'Table' : 'Sequence';
  return [
    `${index + 1}. ${noun}: ${formatRelation(relation.relation)}`,
    ...(relation.foundIn === null ? [] : [`DB: ${relation.foundIn}`]),
    ...(relgroups.length === 0 ? [] : [`Relgroups: ${relgroups.join(', ')}`]),
    ...(relation.keyIndex === null ? [] : [`Key: ${relation.keyIndex}`]),
    ...(relation.conflictStrategy === null ? [] : [`Conflict strategy: ${relation.conflictStrategy}`]),
    ...(relation.makedelta === null ? [] : [`(makedelta ${relation.makedelta ? 'on' : 'off'})`]),
    ...(relation.ghost ? ['(ghost)'] : []),
    ...(relation.merge ? ['(merge columns)'] : []),
    ...(relation.priority === 0 ? [] : [`Priority: ${relation.priority}`]),
  ].join('  ');
};

export const updateRelations = (kind: RelationKind): Command =>
  command({
    verb: 'update',
    noun: kind,
    form: 'NAME… key=value…',
    summary: `Change settings of ${kind}s, for all syncs that replicate them.`,
    keys: tableKeys,
    options: ['dryRun'],
    run: ({ names, settings }, context) =>
      change(context, async (db, say, aftermath) => {
        if (Object.keys(settings).length === 0)
          throw usageError(
            'It is not said what to change.',
            `Write key=value; \`tahr help update ${kind}\` lists the keys.`,
          );
        const chosen = selectRelations({ kind, words: names, existing: await listRelations(db) });
        const changes = await relationChanges(db, settings);
        const alter = async (): Promise<void> => {
          for (const relation of chosen) {
            await updateRelation(db, relation.id, changes);
            for (const line of differences(relation, changes))
              say(`${formatRelation(relation.relation)}: ${line}`);
          }
        };
        await reinstallSyncs(db, {
          context,
          say,
          aftermath,
          uses: (sync) => chosen.some(({ relation }) => usesRelation(sync, relation)),
          alter,
        });
      }),
  });

const names: Readonly<Record<keyof RelationChanges, string>> = {
  keyIndex: 'key',
  conflictStrategy: 'conflict_strategy',
  makedelta: 'makedelta',
  ghost: 'ghost',
  priority: 'priority',
  merge: 'merge',
  counters: 'counters',
  objects: 'objects',
  sets: 'sets',
  strictChecking: 'strict_checking',
  analyzeAfterCopy: 'analyze_after_copy',
  vacuumAfterCopy: 'vacuum_after_copy',
  rebuildIndex: 'rebuild_index',
};

const differences = (before: Relation, changes: RelationChanges): string[] =>
  (Object.keys(changes) as (keyof RelationChanges)[]).map((field) =>
    before[field] === changes[field]
      ? `No change needed for ${names[field]}`
      : `Changed ${names[field]} from ${String(before[field] ?? 'default')} to ${String(changes[field] ?? 'default')}`,
  );

export const removeRelations = (kind: RelationKind): Command =>
  command({
    verb: 'remove',
    noun: kind,
    form: 'NAME… [relgroup=NAME]',
    summary: `Take ${kind}s out of a relgroup, or forget them altogether.`,
    details: 'Without relgroup= they must not be in use by a sync.',
    keys: { relgroup: key(text, 'take them out of this relgroup only', ['herd']) },
    options: ['dryRun'],
    run: ({ names, settings: { relgroup } }, context) =>
      change(context, async (db, say, aftermath) => {
        if (relgroup === undefined) {
          const chosen = selectRelations({ kind, words: names, existing: await listRelations(db) });
          for (const { relation } of chosen) await removeRelation(db, relation);
          sayRelations(say, `Removed the following ${kind}s:`, chosen);
          return;
        }
        const { relations } = await getRelGroup(db, relgroup);
        const chosen = selectRelations({ kind, words: names, existing: relations });
        const rest = relations.filter((relation) => !chosen.includes(relation));
        const alter = () =>
          setRelGroupMembers(
            db,
            relgroup,
            rest.map(({ id }) => id),
          );
        await reinstallSyncs(db, {
          context,
          say,
          aftermath,
          uses: (sync) => sync.relgroup === relgroup,
          alter,
        });
        sayRelations(
          say,
          `The following tables or sequences are no longer part of the relgroup "${relgroup}":`,
          chosen,
        );
      }),
  });
