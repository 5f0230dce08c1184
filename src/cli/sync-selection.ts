/** Which syncs the operator means. The word `sync` before the names changes nothing. */
import type { Db } from '../control/db.ts';
import { loadSyncDefinitions } from '../control/sync-definition.ts';
import { ReplicationError } from '../model/errors.ts';
import type { SyncDefinition } from '../model/topology.ts';
import { select } from './selection.ts';

/** @throws ReplicationError `not_found` when there are no syncs, or not the one that is named */
export const selectSyncs = async (db: Db, names: readonly string[]): Promise<SyncDefinition[]> => {
  const existing = await loadSyncDefinitions(db);
  if (existing.length === 0) {
    throw new ReplicationError('not_found', {
      message: 'No syncs have been created yet.',
      hint: 'Add one: `tahr help add sync`.',
    });
  }
  return select({
    kind: 'sync',
    listing: 'syncs',
    words: withoutNoise(names),
    existing,
    nameOf: ({ name }) => name,
  });
};

/** The control store reserves these words, so no sync is called so. */
const withoutNoise = (names: readonly string[]): readonly string[] =>
  ['sync', 'syncs'].includes(names[0]?.toLowerCase() ?? '') ? names.slice(1) : names;
