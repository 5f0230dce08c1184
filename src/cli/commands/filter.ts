/** `add|list|remove filter`: which rows go to databases that are only written, and what is done with them there. */
import { addFilter, getFilter, listFilters, removeFilter, type StoredFilter } from '../../control/filter.ts';
import { listRelations } from '../../control/relation.ts';
import { formatRelation, operations } from '../../model/topology.ts';
import { change } from '../change.ts';
import { command } from '../command.ts';
import { key } from '../grammar/settings.ts';
import { usageError } from '../grammar/usage.ts';
import { choices, expression } from '../grammar/values.ts';
import { inPlace, placementKeys, precedence, readPlacement } from '../placement.ts';
import { listPlaced, type PlacedThing, removePlaced } from '../placed-commands.ts';
import { selectRelation } from '../relation-selection.ts';
import { reinstallSyncs, usesRelation } from '../sync-install.ts';

export const addFilterCommand = command({
  verb: 'add',
  noun: 'filter',
  form: 'TABLE [where=CONDITION] [operations=LIST] [db=NAME] [sync=NAME]',
  summary: 'Say which rows of a table go to a target, and what is done with them there.',
  details: [
    'The condition is one of SQL over the columns of the table. A row that it leaves out is deleted on the target, one that it lets in appears there, each when it is changed.',
    'Functions and operators that are not in pg_catalog need their schema. Sources always get all rows of each other.',
    `Without db= on all targets, without sync= in all syncs. ${precedence}`,
  ].join('\n'),
  keys: {
    where: key(expression, 'the rows that go there: a condition of SQL'),
    operations: key(
      choices(operations),
      'what is done there: of insert, update, delete; the default is all',
      ['operation'],
    ),
    ...placementKeys,
  },
  options: ['dryRun'],
  run: ({ names, settings }, context) =>
    change(context, async (db, say, aftermath) => {
      const [word, ...others] = names;
      const { where = null, operations: allowed = operations } = settings;
      if (word === undefined || others.length > 0) throw usageError('One table is needed.', usage);
      if (where === null && allowed.length === operations.length)
        throw usageError('It is not said what is to be left out.', usage);
      const relation = selectRelation(await listRelations(db), word);
      if (relation.kind !== 'table')
        throw usageError(`${formatRelation(relation.relation)} is a ${relation.kind}, and has no rows.`);
      const place = await readPlacement(db, settings);
      await reinstallSyncs(db, {
        context,
        say,
        aftermath,
        uses: (sync) => usesRelation(sync, relation.relation),
        alter: async () => {
          await addFilter(db, relation, { where, operations: allowed, ...place });
          say(
            `Filtered ${formatRelation(relation.relation)}: ${contentOf({ where, operations: allowed })}${inPlace(place)}`,
          );
        },
      });
    }),
});

const usage = 'Write `tahr add filter orders where="region = \'EU\'" db=NAME`, or operations=insert,update.';

const contentOf = ({ where, operations: allowed }: Pick<StoredFilter, 'where' | 'operations'>): string =>
  [
    ...(where === null ? [] : [`where ${where}`]),
    ...(allowed.length === operations.length ? [] : [`${allowed.join(' and ')} only`]),
  ].join(', ');

const filter: PlacedThing<StoredFilter> = {
  noun: 'filter',
  plural: 'filters',
  listSummary: 'List which rows go to targets, and what is done with them there.',
  removeSummary: 'Let all rows of a table go where they did not.',
  list: listFilters,
  get: getFilter,
  remove: removeFilter,
  content: (stored) => `: ${contentOf(stored)}`,
};

export const listFiltersCommand = listPlaced(filter);
export const removeFilters = removePlaced(filter);
