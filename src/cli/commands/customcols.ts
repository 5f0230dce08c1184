/** `add|list|remove customcols`: in which columns the rows of tables go to databases that are only written. */
import {
  addCustomCols,
  getCustomCols,
  listCustomCols,
  removeCustomCols,
  type StoredCustomCols,
} from '../../control/customcols.ts';
import { listRelations } from '../../control/relation.ts';
import { formatRelation } from '../../model/topology.ts';
import { change } from '../change.ts';
import { command } from '../command.ts';
import { usageError } from '../grammar/usage.ts';
import { inPlace, placementKeys, precedence, readPlacement } from '../placement.ts';
import { listPlaced, type PlacedThing, removePlaced } from '../placed-commands.ts';
import { selectRelation } from '../relation-selection.ts';
import { reinstallSyncs, usesRelation } from '../sync-install.ts';

export const addCustomcols = command({
  verb: 'add',
  noun: 'customcols',
  form: 'TABLE "SELECT …" [db=NAME] [sync=NAME]',
  summary: 'Say in which columns the rows of a table go to a target.',
  details: [
    'The list of a SELECT over the columns of the table, without FROM: columns, and expressions with the name of the column that they go to. The columns of the key are among them as they are.',
    'In the role fullcopy it may be a whole SELECT, with FROM, joins and aggregates.',
    `Functions and operators that are not in pg_catalog need their schema. Without db= on all targets, without sync= in all syncs. ${precedence}`,
  ].join('\n'),
  keys: placementKeys,
  options: ['dryRun'],
  run: ({ names, settings }, context) =>
    change(context, async (db, say, aftermath) => {
      const [word, select, ...others] = names;
      if (word === undefined || select === undefined || others.length > 0)
        throw usageError('A table is needed, and a SELECT in quotes.', usage);
      const relation = selectRelation(await listRelations(db), word);
      if (relation.kind !== 'table')
        throw usageError(`${formatRelation(relation.relation)} is a ${relation.kind}, and has no columns.`);
      const list = readList(select);
      const place = await readPlacement(db, settings);
      await reinstallSyncs(db, {
        context,
        say,
        aftermath,
        uses: (sync) => usesRelation(sync, relation.relation),
        alter: async () => {
          await addCustomCols(db, relation, { list, ...place });
          say(`New columns for ${formatRelation(relation.relation)}: "SELECT ${list}"${inPlace(place)}`);
        },
      });
    }),
});

const usage = 'Write `tahr add customcols orders "SELECT id, upper(note) AS note" db=NAME`.';

const readList = (select: string): string => {
  const list = /^\s*select\s+(.+?)\s*$/is.exec(select)?.[1];
  if (list === undefined) throw usageError(`"${select}" does not begin with SELECT.`, usage);
  return list;
};

const customcols: PlacedThing<StoredCustomCols> = {
  noun: 'customcols',
  plural: 'customcols',
  listSummary: 'List in which columns rows go to targets.',
  removeSummary: 'Let the rows of a table go in the columns that it has.',
  list: listCustomCols,
  get: getCustomCols,
  remove: removeCustomCols,
  content: ({ list }) => ` => SELECT ${list}`,
};

export const listCustomcols = listPlaced(customcols);
export const removeCustomcols = removePlaced(customcols);
