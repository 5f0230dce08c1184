/** `add|list|remove customname`: what relations are called on other databases. */
import {
  addCustomName,
  type CustomNamePlace,
  getCustomName,
  listCustomNames,
  removeCustomName,
  type StoredCustomName,
} from '../../control/customname.ts';
import { getDatabase } from '../../control/database.ts';
import type { Db } from '../../control/db.ts';
import { listRelations, type Relation } from '../../control/relation.ts';
import { loadSyncDefinition } from '../../control/sync-definition.ts';
import { ReplicationError } from '../../model/errors.ts';
import { didYouMean } from '../../model/nearest.ts';
import { formatRelation, type RelationName } from '../../model/topology.ts';
import { type Aftermath, change, look, type Say } from '../change.ts';
import { command, ExitCode } from '../command.ts';
import type { Context } from '../context.ts';
import { matchesRelation, relationPattern } from '../grammar/patterns.ts';
import { key } from '../grammar/settings.ts';
import { usageError } from '../grammar/usage.ts';
import { text } from '../grammar/values.ts';
import { reinstallSyncs, usesRelation } from '../sync-install.ts';

export const addCustomname = command({
  verb: 'add',
  noun: 'customname',
  form: 'NAME NEWNAME [db=NAME] [sync=NAME]',
  summary: 'Say what a table or sequence is called on another database.',
  details: [
    'Without db= it is called so wherever it is only written: on targets. With db= on that database, also where it is a source.',
    'Without sync= in all syncs. Where several apply, one for the database counts before one for the sync, and that before one for all.',
  ].join('\n'),
  keys: {
    db: key(text, 'on this database only', ['database']),
    sync: key(text, 'in this sync only'),
  },
  options: ['dryRun'],
  run: ({ names, settings }, context) =>
    change(context, async (db, say, aftermath) => {
      const [oldWord, newWord, ...others] = names;
      if (oldWord === undefined || newWord === undefined || others.length > 0)
        throw usageError('Two names are needed: of the relation, and what it is called elsewhere.', usage);
      const relation = findOne(await listRelations(db), oldWord);
      const newName = readName(newWord, relation.relation);
      if (formatRelation(newName) === formatRelation(relation.relation))
        throw usageError(`${formatRelation(newName)} is what it is called anyway.`, usage);
      const place = await placeOf(db, settings);
      await alterNames(db, {
        context,
        say,
        aftermath,
        relation: relation.relation,
        alter: async () => {
          await addCustomName(db, { relation: relation.id, newName, ...place });
          say(
            `Transformed ${formatRelation(relation.relation)} to ${formatRelation(newName)}${inPlace(place)}`,
          );
        },
      });
    }),
});

const usage = 'Write `tahr add customname public.items archive.items db=NAME`.';

const findOne = (existing: readonly Relation[], word: string): Relation => {
  const pattern = relationPattern(word);
  const [found, ...others] = existing.filter(({ relation }) => matchesRelation(pattern, relation));
  if (found === undefined) {
    const known = existing.flatMap(({ relation }) => [relation.name, formatRelation(relation)]);
    throw new ReplicationError('not_found', {
      message: `There is no table or sequence named "${word}" here.${didYouMean(word, known)}`,
      hint: '`tahr list tables` shows what there is.',
      facts: { name: word },
    });
  }
  if (others.length === 0) return found;
  const candidates = [found, ...others].map(({ relation }) => formatRelation(relation));
  throw usageError(`"${word}" can be any of ${candidates.join(', ')}.`, 'Write its schema, too.');
};

/** In the schema of the relation, if none is written. */
const readName = (word: string, { schema }: RelationName): RelationName => {
  const pattern = relationPattern(word);
  if (pattern.hasWildcard)
    throw usageError(`"${word}" is not one name.`, 'A name with * or % in it goes into double quotes.');
  return { schema: pattern.schema?.text ?? schema, name: pattern.name.text };
};

const placeOf = async (
  db: Db,
  settings: { readonly db?: string; readonly sync?: string },
): Promise<CustomNamePlace> => ({
  database: settings.db === undefined ? null : (await getDatabase(db, settings.db)).name,
  sync: settings.sync === undefined ? null : (await loadSyncDefinition(db, settings.sync)).name,
});

const inPlace = ({ database, sync }: CustomNamePlace): string =>
  `${database === null ? '' : ` for database ${database}`}${sync === null ? '' : ` for sync ${sync}`}`;

interface Alteration {
  readonly context: Context;
  readonly say: Say;
  readonly aftermath: Aftermath;
  readonly relation: RelationName;
  readonly alter: () => Promise<void>;
}

const alterNames = (db: Db, { relation, alter, ...rest }: Alteration): Promise<void> =>
  reinstallSyncs(db, { ...rest, uses: (sync) => usesRelation(sync, relation), alter });

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

const lineOf = ({ id, relation, newName, database, sync }: StoredCustomName): string =>
  [
    `${id}. ${formatRelation(relation)} => ${formatRelation(newName)}`,
    ...(sync === null ? [] : [`Sync: ${sync}`]),
    ...(database === null ? [] : [`Database: ${database}`]),
  ].join('  ');

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
      const [first, ...others] = names.map(readNumber);
      if (first === undefined)
        throw usageError('No customname is named.', '`tahr list customnames` shows their numbers.');
      for (const id of [first, ...others]) {
        const { relation, newName, ...place } = await getCustomName(db, id);
        await alterNames(db, {
          context,
          say,
          aftermath,
          relation,
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

const readNumber = (word: string): number => {
  if (!/^[1-9][0-9]{0,8}$/.test(word))
    throw usageError(`"${word}" is not the number of a customname.`, '`tahr list customnames` shows them.');
  return Number(word);
};
