/** What is said of a table for one of the databases of a sync. Pure. */
import {
  type Filter,
  type Member,
  type MergeSpec,
  type RelationId,
  sources as sourcesOf,
  type SyncDefinition,
} from '../../model/topology.ts';

/** Only among several sources are there conflicts, and targets get what those have made of them. */
export const mergeOf = (sync: SyncDefinition, id: RelationId, { role }: Member): MergeSpec | null =>
  role === 'source' && sourcesOf(sync).length > 1
    ? (sync.relations.find((relation) => relation.id === id)?.merge ?? null)
    : null;

export const filterOf = (
  { relations }: SyncDefinition,
  id: RelationId,
  { database }: Member,
): Filter | null =>
  relations.find((relation) => relation.id === id)?.filters.find((one) => one.database === database.id) ??
  null;
