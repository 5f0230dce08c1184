/** `conflicts`: what was decided, or waits to be, newest first. */
import { listConflicts, type StoredConflict } from '../../control/conflict-log.ts';
import { formatRelation } from '../../model/topology.ts';
import { look } from '../change.ts';
import { command, ExitCode } from '../command.ts';
import { formatTime } from '../amounts.ts';
import { selectSyncs } from '../sync-selection.ts';
import { textTable } from '../text-table.ts';

const defaultLimit = 20;
/** Enough to name one of millions; `decide` takes any length that is unambiguous. */
const shownIdLength = 12;

export const conflicts = command({
  verb: 'conflicts',
  form: '[SYNC] [COUNT]',
  summary: `List conflicts, newest first (${defaultLimit} of them unless COUNT says otherwise).`,
  details:
    'With --undecided only those that nobody has won, which `tahr decide` settles. With --verbose or --json the row images of all versions are shown too.',
  keys: {},
  options: ['json', 'verbose', 'undecided'],
  run: async ({ names }, context) => {
    const count = names.find((name) => /^\d+$/.test(name));
    const words = names.filter((name) => name !== count);
    const found = await look(context, async (db) => {
      const [sync] = words.length === 0 ? [] : await selectSyncs(db, words);
      return listConflicts(db, {
        syncId: sync?.id ?? null,
        limit: Number(count ?? defaultLimit),
        isUndecided: context.options.undecided === true,
      });
    });
    const { out, options } = context;
    if (options.json === true) out.json(found.map(conflictJson));
    else if (found.length === 0)
      out.print(options.undecided === true ? 'No conflict waits to be decided.' : 'There were no conflicts.');
    else if (options.verbose === true) for (const conflict of found) out.print(conflictLines(conflict));
    else out.print(conflictTable(found));
    return ExitCode.done;
  },
});

const conflictJson = (conflict: StoredConflict): Record<string, unknown> => {
  const { id, sync, schema, relation, key, kind, winner, strategy, recordedOn } = conflict;
  const decidedAt = new Date(conflict.decidedAt).toISOString();
  const versions = JSON.parse(conflict.versions) as unknown;
  return { id, sync, schema, relation, key, kind, winner, strategy, decidedAt, recordedOn, versions };
};

const titles = ['Id', 'Time', 'Sync', 'Table', 'Key', 'Kind', 'Winner', 'Strategy'].map((title) => ({
  title,
}));

const conflictTable = (found: readonly StoredConflict[]): string => {
  const now = Date.now();
  return textTable(
    titles,
    found.map((conflict) => [
      conflict.id.slice(0, shownIdLength),
      formatTime(conflict.decidedAt, now),
      conflict.sync,
      formatRelation({ schema: conflict.schema, name: conflict.relation }),
      conflict.key,
      conflict.kind,
      conflict.winner ?? 'undecided',
      conflict.strategy,
    ]),
  );
};

const conflictLines = (conflict: StoredConflict): string =>
  [
    `${conflict.id}  ${new Date(conflict.decidedAt).toISOString()}  ${conflict.sync}  ${formatRelation({ schema: conflict.schema, name: conflict.relation })}  ${conflict.key}`,
    `  ${conflict.kind}: ${conflict.winner === null ? `undecided by ${conflict.strategy}` : `${conflict.winner} won by ${conflict.strategy}`}; recorded on ${conflict.recordedOn.join(', ')}`,
    `  ${conflict.versions}`,
  ].join('\n');
