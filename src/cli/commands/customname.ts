/** `add|list|remove customname`: what relations are called on other databases. */
import {
  addCustomName,
  getCustomName,
  listCustomNames,
  removeCustomName,
  type StoredCustomName,
} from '../../control/customname.ts';
import { listRelations } from '../../control/relation.ts';
import { formatRelation, type RelationName } from '../../model/topology.ts';
import { change, look } from '../change.ts';
import { command, ExitCode } from '../command.ts';
import { matchesRelation, relationPattern } from '../grammar/patterns.ts';
import { usageError } from '../grammar/usage.ts';
import { inPlace, placeLabels, placementKeys, precedence, readNumbers, readPlacement } from '../placement.ts';
import { selectRelation } from '../relation-selection.ts';
import { reinstallSyncs, usesRelation } from '../sync-install.ts';

export const addCustomname = command({
  verb: 'add',
  noun: 'customname',
  form: 'NAME NEWNAME [db=NAME] [sync=NAME]',
  summary: 'Say what a table or sequence is called on another database.',
  details: [
    'Without db= it is called so wherever it is only written: on targets. With db= on that database, also where it is a source.',
    `Without sync= in all syncs. ${precedence}`,
  ].join('\n'),
  keys: placementKeys,
  options: ['dryRun'],
  run: ({ names, settings }, context) =>
    change(context, async (db, say, aftermath) => {
      const [oldWord, newWord, ...others] = names;
      if (oldWord === undefined || newWord === undefined || others.length > 0)
        throw usageError('Two names are needed: of the relation, and what it is called elsewhere.', usage);
      const relation = selectRelation(await listRelations(db), oldWord);
      const newName = readName(newWord, relation.relation);
      if (formatRelation(newName) === formatRelation(relation.relation))
        throw usageError(`${formatRelation(newName)} is what it is called anyway.`, usage);
      const place = await readPlacement(db, settings);
      await reinstallSyncs(db, {
        context,
        say,
        aftermath,
        uses: (sync) => usesRelation(sync, relation.relation),
        alter: async () => {
          await addCustomName(db, relation, { newName, ...place });
          say(
            `Transformed ${formatRelation(relation.relation)} to ${formatRelation(newName)}${inPlace(place)}`,
          );
        },
      });
    }),
});

const usage = 'Write `tahr add customname public.items archive.items db=NAME`.';

/** In the schema of the relation, if none is written. */
const readName = (word: string, { schema }: RelationName): RelationName => {
  const pattern = relationPattern(word);
  if (pattern.hasWildcard)
    throw usageError(`"${word}" is not one name.`, 'A name with * or % in it goes into double quotes.');
  return { schema: pattern.schema?.text ?? schema, name: pattern.name.text };
};

export const listCustomnames = command({
  verb: 'list',
  noun: 'customname',
  form: '[NAME…]',
  summary: 'List what relations are called on other databases.',
  keys: {},
  options: ['json'],
  run: async ({ names }, context) => {
    const existing = await look(context, listCustomNames);
    const patterns = names.map(relationPattern);
    const chosen = existing.filter(
      ({ relation }) =>
        patterns.length === 0 || patterns.some((pattern) => matchesRelation(pattern, relation)),
    );
    const { out, options } = context;
    if (options.json === true) out.json(chosen);
    else if (chosen.length === 0)
      out.print(
        existing.length === 0 ? 'No customnames have been added yet' : 'No matching customnames found',
      );
    else for (const one of chosen) out.print(lineOf(one));
    return ExitCode.done;
  },
});

const lineOf = ({ id, relation, newName, ...place }: StoredCustomName): string =>
  [`${id}. ${formatRelation(relation)} => ${formatRelation(newName)}`, ...placeLabels(place)].join('  ');

export const removeCustomnames = command({
  verb: 'remove',
  noun: 'customname',
  form: 'NUMBER…',
  summary: 'Let a relation be called as everywhere again.',
  details: '`tahr list customnames` shows the numbers.',
  keys: {},
  options: ['dryRun'],
  run: ({ names }, context) =>
    change(context, async (db, say, aftermath) => {
      for (const id of readNumbers(names, 'customname')) {
        const { relation, newName, ...place } = await getCustomName(db, id);
        await reinstallSyncs(db, {
          context,
          say,
          aftermath,
          uses: (sync) => usesRelation(sync, relation),
          alter: async () => {
            await removeCustomName(db, id);
            say(
              `Removed customname ${id}: ${formatRelation(relation)} => ${formatRelation(newName)}${inPlace(place)}`,
            );
          },
        });
      }
    }),
});
