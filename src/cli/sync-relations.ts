/** What is set for a sync but kept with each of its relations. */
import type { Db } from '../control/db.ts';
import { updateRelation } from '../control/relation.ts';
import { loadSyncDefinition } from '../control/sync-definition.ts';

export const setMakedelta = async (db: Db, sync: string, makedelta: boolean): Promise<void> => {
  const { relations } = await loadSyncDefinition(db, sync);
  for (const { id } of relations) await updateRelation(db, id, { makedelta });
};
