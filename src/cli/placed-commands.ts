/** `list` and `remove` of what is said of relations for some databases or syncs: these differ in what is said only. */
import type { Db } from '../control/db.ts';
import type { Placement } from '../control/placement.ts';
import { formatRelation, type RelationName } from '../model/topology.ts';
import { change, look } from './change.ts';
import { type Command, command, ExitCode } from './command.ts';
import type { Noun } from './grammar/nouns.ts';
import { matchesRelation, relationPattern } from './grammar/patterns.ts';
import { inPlace, placeLabels, readNumbers } from './placement.ts';
import { reinstallSyncs, usesRelation } from './sync-install.ts';

interface Placed extends Placement {
  readonly id: number;
  readonly relation: RelationName;
}

export interface PlacedThing<T extends Placed> {
  readonly noun: Noun;
  /** As the sentences of an empty list have it. */
  readonly plural: string;
  readonly listSummary: string;
  readonly removeSummary: string;
  readonly list: (db: Db) => Promise<T[]>;
  /** @throws ReplicationError `not_found` */
  readonly get: (db: Db, id: number) => Promise<T>;
  readonly remove: (db: Db, id: number) => Promise<unknown>;
  /** What is said, after the name of the relation. */
  readonly content: (thing: T) => string;
}

export const listPlaced = <T extends Placed>(thing: PlacedThing<T>): Command =>
  command({
    verb: 'list',
    noun: thing.noun,
    form: '[NAME…]',
    summary: thing.listSummary,
    keys: {},
    options: ['json'],
    run: async ({ names }, context) => {
      const existing = await look(context, thing.list);
      const patterns = names.map(relationPattern);
      const chosen = existing.filter(
        ({ relation }) =>
          patterns.length === 0 || patterns.some((pattern) => matchesRelation(pattern, relation)),
      );
      const { out, options } = context;
      const none =
        existing.length === 0
          ? `No ${thing.plural} have been added yet`
          : `No matching ${thing.plural} found`;
      if (options.json === true) out.json(chosen);
      else if (chosen.length === 0) out.print(none);
      else
        for (const one of chosen)
          out.print(
            [`${one.id}. ${formatRelation(one.relation)}${thing.content(one)}`, ...placeLabels(one)].join(
              '  ',
            ),
          );
      return ExitCode.done;
    },
  });

export const removePlaced = <T extends Placed>(thing: PlacedThing<T>): Command =>
  command({
    verb: 'remove',
    noun: thing.noun,
    form: 'NUMBER…',
    summary: thing.removeSummary,
    details: `\`tahr list ${thing.plural}\` shows the numbers.`,
    keys: {},
    options: ['dryRun'],
    run: ({ names }, context) =>
      change(context, async (db, say, aftermath) => {
        for (const id of readNumbers(names, thing.noun)) {
          const one = await thing.get(db, id);
          await reinstallSyncs(db, {
            context,
            say,
            aftermath,
            uses: (sync) => usesRelation(sync, one.relation),
            alter: async () => {
              await thing.remove(db, id);
              say(
                `Removed ${thing.noun} ${id}: ${formatRelation(one.relation)}${thing.content(one)}${inPlace(one)}`,
              );
            },
          });
        }
      }),
  });
