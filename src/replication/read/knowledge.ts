/**
 * Who knows what: the positions of the databases that take part in a round, as rows of one matrix.
 *
 * A position covers what its source had brought from others, too: whoever moves it takes over what the source knew of those
 * that are away (`nextPositions`). So of a source's deltas only those that a position does not see can be news to its owner.
 */
import type { Knowledge, Passing, Peer } from '../../connectors/postgres/entries.ts';
import { earliest, latest, type Position, type Snapshot } from '../../connectors/postgres/position.ts';
import {
  type Database,
  type DatabaseId,
  sources as sourcesOf,
  type SyncDefinition,
} from '../../model/topology.ts';
import type { OpenSource } from './source.ts';

export const knowledgeOf = (positions: readonly Position[]): Knowledge =>
  new Map(positions.map(({ source, snapshot }) => [source, snapshot]));

/** The other sources that take part. */
export const peersOf = (sources: readonly OpenSource[], holder: OpenSource): Peer[] =>
  sources
    .filter(({ database }) => database.id !== holder.database.id)
    .map(({ database, opening }) => ({ id: database.id, knows: knowledgeOf(opening.positions) }));

/** What some reader does not know of this source begins here. */
export const unknownSince = ({ database, opening }: OpenSource, readers: readonly Knowledge[]): Snapshot =>
  earliest([opening.snapshot, ...snapshotsOf(database.id, readers)]);

/** What goes on of the versions that the sync has brought to a source. */
export const passingOf = (
  sync: SyncDefinition,
  sources: readonly { readonly database: Database }[],
  readers: readonly Knowledge[],
): Passing => {
  const present = sources.map(({ database }) => database.id);
  const absent = sourcesOf(sync).filter(({ database }) => !present.includes(database.id));
  const known = absent.flatMap(({ database }): [DatabaseId, Snapshot][] => {
    const [first, ...others] = snapshotsOf(database.id, readers);
    const isKnownToAll = others.length + 1 === readers.length;
    return first === undefined || !isKnownToAll ? [] : [[database.id, earliest([first, ...others])]];
  });
  return { present, known: new Map(known) };
};

const snapshotsOf = (source: DatabaseId, readers: readonly Knowledge[]): Snapshot[] =>
  readers.flatMap((knows) => knows.get(source) ?? []);

/**
 * The furthest position in a source that is away among those that the sources of a round hold: what a database that has read
 * them all knows of it. Null when nobody holds one that speaks of the same server.
 */
export const inheritedPosition = (own: Position, sources: readonly OpenSource[]): Position | null => {
  const held = sources
    .flatMap(({ opening }) => opening.positions)
    .filter(({ source, lineage }) => source === own.source && isSameServer(lineage, own.lineage));
  const [first, ...others] = held;
  if (first === undefined) return null;
  const snapshot = latest([first.snapshot, ...others.map((position) => position.snapshot)]);
  return held.find((position) => position.snapshot === snapshot) ?? null;
};

const isSameServer = (one: Position['lineage'], other: Position['lineage']): boolean =>
  one.systemIdentifier === other.systemIdentifier && one.databaseOid === other.databaseOid;
