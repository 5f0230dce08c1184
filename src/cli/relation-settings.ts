/** The settings of a table or sequence, which are the same for all syncs that replicate it. */
import { listDatabases } from '../control/database.ts';
import type { Db } from '../control/db.ts';
import type { RelationChanges } from '../control/relation.ts';
import { key, type Settings } from './grammar/settings.ts';
import { anyText, booleanOrDefault } from './grammar/values.ts';
import { normalStrategy } from './strategy.ts';

export const tableKeys = {
  key: key(anyText, 'the unique index that identifies rows; empty: the primary key, or the best one'),
  conflict_strategy: key(anyText, 'for this table only; empty: as the sync says', ['conflict']),
  makedelta: key(booleanOrDefault, 'on, off, or default: capture again what Tahr writes to it'),
};

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
    ...(makedelta === undefined ? {} : { makedelta }),
  };
};
