/**
 * Who knows what: the positions of the databases that take part in a round, as rows of one matrix.
 *
 * A position covers what its source had brought from others, too: whoever moves it takes over what the source knew of those
 * that are away (`nextPositions`). So of a source's deltas only those that a position does not see can be news to its owner.
 */
import type { Knowledge, Passing, Peer } from '../../connectors/postgres/entries.ts';
import { earliest, latest, type Position, type Snapshot } from '../../connectors/postgres/position.ts';
import { type DatabaseId, sources as sourcesOf, type SyncDefinition } from '../../model/topology.ts';
import type { OpenSource } from './source.ts';

export const knowledgeOf = (positions: readonly Position[]): Knowledge =>
  new Map(positions.map(({ source, snapshot }) => [source, snapshot]));

/** The other sources that take part. */
export const peersOf = (sources: readonly OpenSource[], holder: OpenSource): Peer[] =>
  sources
    .filter(({ database }) => database.id !== holder.database.id)
    .map(({ database: { id }, opening }) => ({
      id,
      knows: new Map([...knowledgeOf(opening.positions), [id, opening.snapshot]]),
    }));

/** What some reader does not know of this source begins here. */
export const unknownSince = ({ database, opening }: OpenSource, readers: readonly Knowledge[]): Snapshot =>
  earliest([opening.snapshot, ...snapshotsOf(database.id, readers)]);

/** What goes on of the versions that the sync has brought to a source. */
export const passingOf = (
  sync: SyncDefinition,
  holder: DatabaseId,
  { peers, readers }: { readonly peers: readonly Peer[]; readonly readers: readonly Knowledge[] },
): Passing => {
  const others = sourcesOf(sync).filter(({ database }) => database.id !== holder);
  const known = others.flatMap(({ database: { id } }): [DatabaseId, Snapshot][] => {
    const peer = peers.find((candidate) => candidate.id === id);
    const snapshot = peer?.knows.get(id) ?? knownToAll(id, readers);
    return snapshot === null ? [] : [[id, snapshot]];
  });
  return { holder, known: new Map(known) };
};

const knownToAll = (source: DatabaseId, readers: readonly Knowledge[]): Snapshot | null => {
  const [first, ...others] = snapshotsOf(source, readers);
  return first === undefined || others.length + 1 < readers.length ? null : earliest([first, ...others]);
};

const snapshotsOf = (source: DatabaseId, readers: readonly Knowledge[]): Snapshot[] =>
  readers.flatMap((knows) => knows.get(source) ?? []);

/**
 * The furthest position in a source that is away among those that the sources of a round hold: what a database that has read
 * them all knows of it. Null when nobody holds one that speaks of the same server.
 */
export const inheritedPosition = (own: Position, sources: readonly OpenSource[]): Position | null => {
  const held = positionsIn(own, sources);
  const [first, ...others] = held.map(({ snapshot }) => snapshot);
  if (first === undefined) return null;
  const snapshot = latest([first, ...others]);
  return held.find((position) => position.snapshot === snapshot) ?? null;
};

/** The furthest position in a source that all know that take part; the one that is given where they hold none. */
export const sharedPosition = (own: Position, sources: readonly OpenSource[]): Position => {
  const held = [own, ...positionsIn(own, sources)];
  const snapshot = earliest([own.snapshot, ...held.map((position) => position.snapshot)]);
  return held.find((position) => position.snapshot === snapshot) ?? own;
};

/** What those that take part hold in the same source. */
const positionsIn = ({ source, lineage }: Position, sources: readonly OpenSource[]): Position[] =>
  sources
    .flatMap(({ opening }) => opening.positions)
    .filter((position) => position.source === source && isSameServer(position.lineage, lineage));

const isSameServer = (one: Position['lineage'], other: Position['lineage']): boolean =>
  one.systemIdentifier === other.systemIdentifier && one.databaseOid === other.databaseOid;
