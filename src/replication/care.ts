/** What a table gets after it was copied: what is said of it counts before what is said of the sync. Pure. */
import type { Care } from '../connectors/postgres/writer.ts';
import { type RelationId, settingOf, type SyncDefinition } from '../model/topology.ts';

export const careOf = (sync: SyncDefinition, id: RelationId): Care => {
  const relation = sync.relations.find((candidate) => candidate.id === id);
  if (relation === undefined) return { analyze: false, vacuum: false, reindex: false };
  return {
    analyze: settingOf(sync, relation, 'analyzeAfterCopy'),
    vacuum: settingOf(sync, relation, 'vacuumAfterCopy'),
    reindex: settingOf(sync, relation, 'rebuildIndex'),
  };
};
