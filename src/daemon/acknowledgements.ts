/**
 * What the databases of a sync may acknowledge to its sources. Pure.
 *
 * A target goes back to what the other sources know of one that is away (`nextPositions`), so what one of them does not know may
 * be read by the target again, and is not acknowledged for it. Where a source could not be asked, no target acknowledges anything: what the
 * source has not acknowledged itself is kept anyway.
 */
import { earliest, type Position } from '../connectors/postgres/position.ts';
import type { DatabaseId, Member, SyncDefinition } from '../model/topology.ts';

export interface Acknowledgement {
  readonly reader: DatabaseId;
  readonly position: Position;
}

/** Sources first: in this order their positions have to be read, or a target might go back in between behind what they had. */
export const readersOf = ({ members }: SyncDefinition): readonly Member[] => [
  ...members.filter(({ role }) => role === 'source'),
  ...members.filter(({ role }) => role === 'target'),
];

/** @param positions of the readers that could be asked, in the order of `readersOf` */
export const acknowledgementsOf = (
  sync: SyncDefinition,
  positions: ReadonlyMap<DatabaseId, readonly Position[]>,
): Acknowledgement[] =>
  readersOf(sync).flatMap(({ role, database }) =>
    (positions.get(database.id) ?? []).flatMap((own) => {
      const position = role === 'source' ? own : behindSources(own, sync, positions);
      return position === null ? [] : [{ reader: database.id, position }];
    }),
  );

/** Null: it cannot be told. */
const behindSources = (
  own: Position,
  { members }: SyncDefinition,
  positions: ReadonlyMap<DatabaseId, readonly Position[]>,
): Position | null => {
  const others = members.filter(({ role, database }) => role === 'source' && database.id !== own.source);
  const held = others.map(({ database }) =>
    positions.get(database.id)?.find(({ source }) => source === own.source),
  );
  const known = held.filter((position) => position !== undefined);
  if (known.length < held.length) return null;
  const snapshot = earliest([own.snapshot, ...known.map((position) => position.snapshot)]);
  return [own, ...known].find((position) => position.snapshot === snapshot) ?? own;
};
