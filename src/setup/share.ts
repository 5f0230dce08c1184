/** Which share a database has in the interleaved sequences of a sync. Pure. */
import type { Share } from '../connectors/postgres/interleave.ts';
import type { DatabaseId, SyncDefinition } from '../model/topology.ts';
import { isSource } from './members.ts';

/**
 * Null: it draws as it always did, because it is no source, or the only one, or the sync does not interleave. A source
 * that is inactive keeps its share: its applications may go on to draw.
 */
export const shareOf = ({ sequence, members }: SyncDefinition, database: DatabaseId): Share | null => {
  const sources = members.filter(isSource);
  const index = sources.findIndex((member) => member.database.id === database);
  if (sequence !== 'interleave' || sources.length < 2 || index === -1) return null;
  return { sources: sources.length, place: index + 1 };
};
