/** `add|list|remove filter`: which rows go to databases that are only written, and what is done with them there. */
import { addFilter, getFilter, listFilters, removeFilter, type StoredFilter } from '../../control/filter.ts';
import { listRelations } from '../../control/relation.ts';
import { formatRelation, operations } from '../../model/topology.ts';
import { change, look } from '../change.ts';
import { command, ExitCode } from '../command.ts';
import { matchesRelation, relationPattern } from '../grammar/patterns.ts';
import { key } from '../grammar/settings.ts';
import { usageError } from '../grammar/usage.ts';
import { choices, expression } from '../grammar/values.ts';
import { inPlace, placeLabels, placementKeys, precedence, readNumbers, readPlacement } from '../placement.ts';
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

export const listFiltersCommand = command({
  verb: 'list',
  noun: 'filter',
  form: '[TABLE…]',
  summary: 'List which rows go to targets, and what is done with them there.',
  keys: {},
  options: ['json'],
  run: async ({ names }, context) => {
    const existing = await look(context, listFilters);
    const patterns = names.map(relationPattern);
    const chosen = existing.filter(
      ({ relation }) =>
        patterns.length === 0 || patterns.some((pattern) => matchesRelation(pattern, relation)),
    );
    const { out, options } = context;
    if (options.json === true) out.json(chosen);
    else if (chosen.length === 0)
      out.print(existing.length === 0 ? 'No filters have been added yet' : 'No matching filters found');
    else for (const one of chosen) out.print(lineOf(one));
    return ExitCode.done;
  },
});

const lineOf = ({ id, relation, where, operations: allowed, ...place }: StoredFilter): string =>
  [
    `${id}. ${formatRelation(relation)}: ${contentOf({ where, operations: allowed })}`,
    ...placeLabels(place),
  ].join('  ');

export const removeFilters = command({
  verb: 'remove',
  noun: 'filter',
  form: 'NUMBER…',
  summary: 'Let all rows of a table go where they did not.',
  details: '`tahr list filters` shows the numbers.',
  keys: {},
  options: ['dryRun'],
  run: ({ names }, context) =>
    change(context, async (db, say, aftermath) => {
      for (const id of readNumbers(names, 'filter')) {
        const { relation, ...rest } = await getFilter(db, id);
        await reinstallSyncs(db, {
          context,
          say,
          aftermath,
          uses: (sync) => usesRelation(sync, relation),
          alter: async () => {
            await removeFilter(db, id);
            say(`Removed filter ${id} of ${formatRelation(relation)}: ${contentOf(rest)}${inPlace(rest)}`);
          },
        });
      }
    }),
});
