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
import { change } from '../change.ts';
import { command } from '../command.ts';
import { relationPattern } from '../grammar/patterns.ts';
import { usageError } from '../grammar/usage.ts';
import { inPlace, placementKeys, precedence, readPlacement } from '../placement.ts';
import { listPlaced, type PlacedThing, removePlaced } from '../placed-commands.ts';
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

const customname: PlacedThing<StoredCustomName> = {
  noun: 'customname',
  plural: 'customnames',
  listSummary: 'List what relations are called on other databases.',
  removeSummary: 'Let a relation be called as everywhere again.',
  list: listCustomNames,
  get: getCustomName,
  remove: removeCustomName,
  content: ({ newName }) => ` => ${formatRelation(newName)}`,
};

export const listCustomnames = listPlaced(customname);
export const removeCustomnames = removePlaced(customname);
