/** `decide`: a person decides a conflict that the strategy has left open. */
import { z } from 'zod';
import { noteRow } from '../../connectors/postgres/note-row.ts';
import { decideConflict, findConflicts, type StoredConflict } from '../../control/conflict-log.ts';
import { getDatabase } from '../../control/database.ts';
import type { Db } from '../../control/db.ts';
import { findSyncDefinition } from '../../control/sync-definition.ts';
import { ReplicationError } from '../../model/errors.ts';
import { formatRelation, sources } from '../../model/topology.ts';
import { change } from '../change.ts';
import { command } from '../command.ts';
import { usageError } from '../grammar/usage.ts';

export const decide = command({
  verb: 'decide',
  form: 'ID DB',
  summary: 'Decide a conflict that nobody has won: the row as DB has it now goes to all databases.',
  details:
    'ID is the beginning of the id that `tahr conflicts --undecided` shows. DB is a source of the sync. To write something else, change the row with SQL on any source instead, and then decide for that source.',
  keys: {},
  options: ['dryRun'],
  run: ({ names }, context) =>
    change(context, async (db, say) => {
      const [id, name, ...others] = names;
      if (id === undefined || name === undefined || others.length > 0)
        throw usageError('Name a conflict and a database.', 'tahr decide ID DB');
      const conflict = await findOne(db, id);
      const winner = await winnerOf(db, conflict, name);
      const row = imageOf(conflict);
      const { schema } = await context.config();
      await decideConflict(db, { id: conflict.id, winner });
      if (context.options.dryRun !== true) {
        await using session = await context.connect(winner);
        await noteRow(session, { schema, table: conflict.relationId, row });
      }
      const table = formatRelation({ schema: conflict.schema, name: conflict.relation });
      say(`Decided: ${table} ${conflict.key} goes from ${winner.name} to all databases of ${conflict.sync}.`);
    }),
});

const findOne = async (db: Db, prefix: string): Promise<StoredConflict> => {
  if (!/^[0-9a-f-]{4,36}$/i.test(prefix))
    throw usageError(
      `"${prefix}" is not the beginning of an id.`,
      'Give at least four characters of the id that `tahr conflicts --undecided` shows.',
    );
  const [found, another] = await findConflicts(db, prefix.toLowerCase());
  if (found === undefined)
    throw new ReplicationError('not_found', {
      message: `There is no conflict "${prefix}".`,
      hint: 'tahr conflicts --undecided lists those that wait for a decision.',
    });
  if (another !== undefined)
    throw usageError(`Several conflicts begin with "${prefix}".`, 'Give more of the id.');
  if (found.winner !== null)
    throw usageError(
      `The conflict ${found.id} is decided: ${found.winner} has won.`,
      'To have another row, change it with SQL on any source.',
    );
  return found;
};

const winnerOf = async (db: Db, conflict: StoredConflict, name: string) => {
  const sync = await findSyncDefinition(db, conflict.sync);
  if (sync === null || sync.id !== conflict.syncId)
    throw new ReplicationError('not_found', {
      message: `The sync ${conflict.sync} of this conflict is not there any more.`,
      hint: 'Make the rows equal with SQL.',
    });
  const database = await getDatabase(db, name);
  const names = sources(sync).map((member) => member.database.name);
  if (!names.includes(database.name))
    throw usageError(
      `${database.name} is not a source of ${sync.name}.`,
      `Choose one of ${names.join(', ')}.`,
    );
  return database;
};

const imageSchema = z.array(z.object({ row: z.record(z.string(), z.string().nullable()).nullable() }));

/** Any version that has a row has its key. */
const imageOf = ({ id, versions }: StoredConflict): Readonly<Record<string, string | null>> => {
  const image = imageSchema.parse(JSON.parse(versions)).find(({ row }) => row !== null)?.row;
  if (image === undefined || image === null) throw new Error(`conflict ${id} has no row`);
  return image;
};
