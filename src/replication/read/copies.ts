/**
 * Which tables a database is to get whole, because a copy of them was asked for since its positions were made. Pure.
 *
 * The first source is what is copied, so it is never copied to: it takes note, and so does everybody whom a copy does not concern.
 */
import type { Position } from '../../connectors/postgres/position.ts';
import {
  type CopyMode,
  type CopyRequest,
  type Database,
  type RelationId,
  sources as sourcesOf,
  type SyncDefinition,
} from '../../model/topology.ts';

export type CopiesDue = ReadonlyMap<RelationId, CopyMode>;

/** Of all that was asked for a table, to replace it counts. */
export const copiesDue = (
  sync: SyncDefinition,
  database: Database,
  positions: readonly Position[],
): CopiesDue => {
  if (isFirst(sync, database)) return new Map();
  const requests = newRequests(sync, positions).filter(
    (one) => (one.database ?? database.id) === database.id,
  );
  return new Map(
    sync.relations.flatMap(({ id, kind, isGhost }): [RelationId, CopyMode][] => {
      const modes = requests.flatMap(({ relation, mode }) =>
        relation === id || (relation === null && !isGhost) ? [mode] : [],
      );
      if (kind !== 'table' || modes.length === 0) return [];
      return [[id, modes.includes('replace') ? 'replace' : 'fill']];
    }),
  );
};

/** To replace them: a database that was given up has nothing to go on from. Ghosts as well, for what they missed is nowhere else. */
export const allTables = ({ relations }: SyncDefinition): CopiesDue =>
  new Map(
    relations.flatMap(({ id, kind }): [RelationId, CopyMode][] =>
      kind === 'table' ? [[id, 'replace']] : [],
    ),
  );

export const isFirst = (sync: SyncDefinition, { id }: Database): boolean =>
  sourcesOf(sync)[0]?.database.id === id;

/** A copy was asked for since these positions were made, whomever it concerns. */
export const isBehindCopy = (sync: SyncDefinition, positions: readonly Position[]): boolean =>
  newRequests(sync, positions).length > 0;

const newRequests = ({ copies }: SyncDefinition, positions: readonly Position[]): CopyRequest[] => {
  const oldest = Math.min(...positions.map(({ copyGeneration }) => copyGeneration));
  return copies.filter(({ generation }) => generation > oldest);
};
