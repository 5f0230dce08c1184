/** The settings of a table or sequence, which are the same for all syncs that replicate it. */
import { listDatabases } from '../control/database.ts';
import type { Db } from '../control/db.ts';
import type { RelationChanges } from '../control/relation.ts';
import { key, type Settings } from './grammar/settings.ts';
import { unquote } from './grammar/words.ts';
import { anyText, boolean, booleanOrDefault, integer, mergeMode, names } from './grammar/values.ts';
import { given } from './given.ts';
import { normalStrategy } from './strategy.ts';

export const tableKeys = {
  key: key(anyText, 'the unique index that identifies rows; empty: the primary key, or the best one'),
  conflict_strategy: key(anyText, 'for this table only; empty: as the sync says', ['conflict']),
  makedelta: key(booleanOrDefault, 'on, off, or default: capture again what Tahr writes to it'),
  ghost: key(boolean, 'on: copies of the whole sync pass it over, and only its changes are replicated'),
  merge: key(
    mergeMode,
    'columns: of a conflict both sides are kept, and of each column the later value; off is the default',
  ),
  counters: key(names, 'columns of numbers whose differences add up when rows are merged: stock,views'),
  objects: key(names, 'columns of type jsonb that are merged key by key'),
  sets: key(names, 'columns of arrays that are merged as sets'),
  priority: key(integer, 'tables with a higher one come first; 0 is the default'),
  strict_checking: key(booleanOrDefault, 'on, off, or default: as the sync says'),
  analyze_after_copy: key(booleanOrDefault, 'on, off, or default: as the sync says'),
  vacuum_after_copy: key(booleanOrDefault, 'on, off, or default: as the sync says'),
  rebuild_index: key(booleanOrDefault, 'on, off, or default: as the sync says'),
};

/** An empty list takes them away. */
const columnsOf = (words: readonly string[] | undefined): readonly string[] | undefined =>
  words?.map(unquote).filter((word) => word !== '');

/** @throws ReplicationError `usage` for a strategy that there is not */
export const relationChanges = async (
  db: Db,
  settings: Settings<typeof tableKeys>,
): Promise<RelationChanges> => {
  const { key: keyIndex, conflict_strategy: strategy, makedelta } = settings;
  const databases = (await listDatabases(db)).map(({ name }) => name);
  return {
    ...(keyIndex === undefined ? {} : { keyIndex: keyIndex === '' ? null : keyIndex }),
    ...(strategy === undefined
      ? {}
      : { conflictStrategy: strategy === '' ? null : normalStrategy(strategy, databases) }),
    ...given({
      makedelta,
      ghost: settings.ghost,
      priority: settings.priority,
      merge: settings.merge,
      counters: columnsOf(settings.counters),
      objects: columnsOf(settings.objects),
      sets: columnsOf(settings.sets),
      strictChecking: settings.strict_checking,
      analyzeAfterCopy: settings.analyze_after_copy,
      vacuumAfterCopy: settings.vacuum_after_copy,
      rebuildIndex: settings.rebuild_index,
    }),
  };
};
