/** `db=` and `sync=`: where something that is said of a relation holds. */
import { getDatabase } from '../control/database.ts';
import type { Db } from '../control/db.ts';
import type { Placement } from '../control/placement.ts';
import { loadSyncDefinition } from '../control/sync-definition.ts';
import { key, type Settings } from './grammar/settings.ts';
import { usageError } from './grammar/usage.ts';
import { text } from './grammar/values.ts';

export const placementKeys = {
  db: key(text, 'on this database only', ['database']),
  sync: key(text, 'in this sync only'),
};

/** Of the help. */
export const precedence =
  'Where several apply, one for the database counts before one for the sync, and that before one for all.';

/** @throws ReplicationError `not_found` */
export const readPlacement = async (
  db: Db,
  settings: Settings<typeof placementKeys>,
): Promise<Placement> => ({
  database: settings.db === undefined ? null : (await getDatabase(db, settings.db)).name,
  sync: settings.sync === undefined ? null : (await loadSyncDefinition(db, settings.sync)).name,
});

/** The end of a sentence. */
export const inPlace = ({ database, sync }: Placement): string =>
  `${database === null ? '' : ` for database ${database}`}${sync === null ? '' : ` for sync ${sync}`}`;

/** In a list. */
export const placeLabels = ({ database, sync }: Placement): string[] => [
  ...(sync === null ? [] : [`Sync: ${sync}`]),
  ...(database === null ? [] : [`Database: ${database}`]),
];

/** The number under which such a thing is listed. @throws ReplicationError `usage` */
const readNumber = (word: string, noun: string): number => {
  if (/^[1-9][0-9]{0,8}$/.test(word)) return Number(word);
  throw usageError(`"${word}" is not the number of a ${noun}.`, `\`tahr list ${noun}\` shows them.`);
};

/** @throws ReplicationError `usage` */
export const readNumbers = (words: readonly string[], noun: string): number[] => {
  if (words.length > 0) return words.map((word) => readNumber(word, noun));
  throw usageError(`No ${noun} is named.`, `\`tahr list ${noun}\` shows their numbers.`);
};
