/** `add table` and `add sequence`: the two differ in the noun only. */
import type { RelationKind } from '../../model/topology.ts';
import { change } from '../change.ts';
import { type Command, command, type ExitCode } from '../command.ts';
import type { Context } from '../context.ts';
import { key, type Settings } from '../grammar/settings.ts';
import { usageError } from '../grammar/usage.ts';
import { text } from '../grammar/values.ts';
import { splitList } from '../grammar/words.ts';
import { warnOfKeys } from '../key-warning.ts';
import { chooseRelations } from '../relation-choice.ts';
import { joinRelGroup, lookAround, rememberAll, sayRelations } from '../relation-finding.ts';
import { relationChanges, tableKeys } from '../relation-settings.ts';
import { reinstallSyncs, usesRelation } from '../sync-install.ts';

const addKeys = {
  db: key(text, 'the database to look on; else a source', ['database']),
  relgroup: key(text, 'put them into this relgroup, made if there is none', ['herd']),
  ...tableKeys,
};

export const addRelation = (kind: RelationKind): Command =>
  command({
    verb: 'add',
    noun: kind,
    form: 'NAME… [db=NAME] [relgroup=NAME] [key=value…]',
    summary: `Make ${kind}s known and put them into a relgroup. Names may have * in them.`,
    details: 'They are looked up on the database given by db=, else on a source.',
    keys: addKeys,
    options: ['dryRun'],
    run: async ({ names, settings }, context) => {
      const words = names.flatMap(splitList);
      if (words.length === 0)
        throw usageError(
          `No ${kind} is named.`,
          `Write \`tahr add ${kind} NAME…\`, or \`tahr add all ${kind}s\`.`,
        );
      return addNamed({ kind, words, settings }, context);
    },
  });

interface Naming {
  readonly kind: RelationKind;
  readonly words: readonly string[];
  readonly settings: Settings<typeof addKeys>;
}

const addNamed = ({ kind, words, settings }: Naming, context: Context): Promise<ExitCode> =>
  change(context, async (db, say, aftermath) => {
    const place = await lookAround(db, context, settings.db ?? null);
    const chosen = chooseRelations({
      words,
      kinds: [kind],
      listed: place.listed,
      database: place.database.name,
    });
    const changes = await relationChanges(db, settings);
    const remember = () => rememberAll(db, { place, chosen, changes });
    const alter = async (): Promise<void> => {
      const remembered = await remember();
      sayRelations(
        say,
        'Added the following tables or sequences:',
        remembered.filter(({ isNew }) => isNew).map(({ relation }) => relation),
      );
      sayRelations(
        say,
        'Known already:',
        remembered.filter(({ isNew }) => !isNew).map(({ relation }) => relation),
      );
      const { relgroup } = settings;
      if (relgroup !== undefined)
        await joinRelGroup(db, { relgroup, relations: remembered.map(({ relation }) => relation), say });
      if (kind === 'table') await warnOfKeys(db, { context, database: place.database, chosen, say });
    };
    await reinstallSyncs(db, {
      context,
      say,
      aftermath,
      uses: (sync) =>
        sync.relgroup === settings.relgroup || chosen.some((relation) => usesRelation(sync, relation)),
      alter,
    });
  });
