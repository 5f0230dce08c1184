/** `add all tables|sequences`: whatever a database has, less what is left out. */
import type { RelationKind } from '../../model/topology.ts';
import { formatRelation } from '../../model/topology.ts';
import { change } from '../change.ts';
import { command, type ExitCode } from '../command.ts';
import type { Context } from '../context.ts';
import { findNoun } from '../grammar/nouns.ts';
import { key, type Settings } from '../grammar/settings.ts';
import { usageError } from '../grammar/usage.ts';
import { list, text } from '../grammar/values.ts';
import { unquote } from '../grammar/words.ts';
import { warnOfKeys } from '../key-warning.ts';
import { chooseAll } from '../relation-choice.ts';
import { joinRelGroup, lookAround, rememberAll } from '../relation-finding.ts';
import { reinstallSyncs } from '../sync-install.ts';

const keys = {
  db: key(text, 'the database to look on; else a source', ['database']),
  relgroup: key(text, 'put them into this relgroup, made if there is none', ['herd']),
  schema: key(list, 'with all: only relations of these schemas, as -n does'),
};

export const addAll = command({
  verb: 'add',
  noun: 'all',
  form: 'tables|sequences [db=NAME] [relgroup=NAME]',
  summary: 'Make all tables or sequences of a database known, but partitions and what extensions brought.',
  details:
    'Here --schema (-n) chooses relations; the schema of the installation comes from TAHR_SCHEMA or tahr.yaml.',
  keys,
  options: ['dryRun', 'excludeSchema', 'table', 'excludeTable'],
  takesSchemas: true,
  run: async ({ names, settings }, context) => {
    const [word, ...more] = names;
    const kind = word === undefined ? undefined : findNoun(word);
    if ((kind !== 'table' && kind !== 'sequence') || more.length > 0) {
      throw usageError(
        'It is not said what to add all of.',
        'Write `tahr add all tables` or `tahr add all sequences`.',
      );
    }
    return addAllRelations(kind, settings, context);
  },
});

const addAllRelations = (
  kind: RelationKind,
  settings: Settings<typeof keys>,
  context: Context,
): Promise<ExitCode> =>
  change(context, async (db, say, aftermath) => {
    const { options } = context;
    const place = await lookAround(db, context, settings.db ?? null);
    const chosen = chooseAll(
      {
        kind,
        schemas: [...(options.schema ?? []), ...(settings.schema ?? []).map(unquote)],
        excludedSchemas: options.excludeSchema ?? [],
        tables: options.table ?? [],
        excludedTables: options.excludeTable ?? [],
      },
      place.listed,
    );
    const { relgroup } = settings;
    const alter = async (): Promise<void> => {
      const remembered = await rememberAll(db, { place, chosen, changes: {} });
      const added = remembered.filter(({ isNew }) => isNew);
      for (const { relation } of added) say(`Added ${kind} ${formatRelation(relation.relation)}`);
      if (relgroup !== undefined)
        await joinRelGroup(db, { relgroup, relations: remembered.map(({ relation }) => relation), say });
      say(`New ${kind}s added: ${added.length}`);
      if (remembered.length > added.length) say(`Already added: ${remembered.length - added.length}`);
      if (kind === 'table') await warnOfKeys(db, { context, database: place.database, chosen, say });
    };
    await reinstallSyncs(db, { context, say, aftermath, uses: (sync) => sync.relgroup === relgroup, alter });
  });
