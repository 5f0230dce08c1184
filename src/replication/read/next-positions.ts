/** The positions that a database will have after a round, if its transaction commits. */
import { earliest, type Position } from '../../connectors/postgres/position.ts';
import { ReplicationError } from '../../model/errors.ts';
import type { SyncDefinition } from '../../model/topology.ts';
import { inheritedPosition, sharedPosition } from './knowledge.ts';
import type { OpenSource } from './source.ts';

interface Reading {
  readonly sync: SyncDefinition;
  /** All that take part. */
  readonly sources: readonly OpenSource[];
  /** The source by whose rows the database is replaced; null for none. */
  readonly heir: OpenSource | null;
  /** All tables are; else only some. */
  readonly isWhole: boolean;
  /** The copy that was asked for is made, or taken note of. */
  readonly isRenewed: boolean;
}

/**
 * Every source that is present has been read up to its snapshot. Of one that is away the database knows what those that it
 * has read know, and no more than that: a target that had read further may have been written over with what they hold.
 * @returns those that do not move as the same objects
 */
export const nextPositions = (positions: readonly Position[], reading: Reading): Position[] =>
  positions.map((position) => {
    const { sync, sources, heir, isRenewed } = reading;
    if (heir !== null && heir.database.id !== position.source) return replaced(position, heir, reading);
    const source = sources.find(({ database }) => database.id === position.source);
    if (source !== undefined) return readUpTo(position, source, sync);
    const absent = ofAbsent(position, sources);
    return isRenewed ? { ...absent, seq: position.seq + 1n, copyGeneration: sync.copyGeneration } : absent;
  });

/**
 * Where a target stays that has chosen between versions of a row itself: at what all sources knew that it has read. Which version they will
 * settle on they find out among themselves, and need not tell those that have seen all of them.
 * @param next after the same round
 * @returns in the same order; those that stay are the same objects
 */
export const positionsOfUnsettled = (next: readonly Position[], sources: readonly OpenSource[]): Position[] =>
  next.map((position) => {
    const { snapshot, lineage } = sharedPosition(position, sources);
    return snapshot === position.snapshot
      ? position
      : { ...position, seq: position.seq + 1n, snapshot, lineage };
  });

const readUpTo = (position: Position, source: OpenSource, sync: SyncDefinition): Position => {
  const { systemIdentifier, timeline, databaseOid, incarnation, lsn, startedAt } = source.lineage;
  return {
    source: position.source,
    seq: position.seq + 1n,
    snapshot: source.opening.snapshot,
    lineage: { systemIdentifier, timeline, databaseOid, incarnation, lsn, startedAt },
    copyGeneration: sync.copyGeneration,
  };
};

const ofAbsent = (position: Position, sources: readonly OpenSource[]): Position => {
  const inherited = inheritedPosition(position, sources);
  if (inherited === null || inherited.snapshot === position.snapshot) return position;
  const { snapshot, lineage } = inherited;
  return { ...position, seq: position.seq + 1n, snapshot, lineage };
};

/**
 * A database that was replaced by a copy knows of the other sources what the copied one knew. Where only some tables were, it has not read of the
 * others what it had not read before: it goes back, and never ahead.
 */
const replaced = (
  own: Position,
  heir: OpenSource,
  { sync, isWhole }: Pick<Reading, 'sync' | 'isWhole'>,
): Position => {
  const known = heir.opening.positions.find((position) => position.source === own.source);
  if (known === undefined || known.copyGeneration < renewedAt(sync))
    throw new ReplicationError('given_way', {
      message: `The copy of ${heir.database.name} waits until ${heir.database.name} itself has begun anew.`,
      facts: { source: heir.database.name },
    });
  const isAhead = earliest([own.snapshot, known.snapshot]) === own.snapshot;
  const base = isAhead && !isWhole ? own : known;
  return { ...base, seq: own.seq + 1n, copyGeneration: sync.copyGeneration };
};

/** The generation with which the copied source itself begins anew: when a copy of everything was asked for. */
const renewedAt = ({ copies }: SyncDefinition): number =>
  Math.max(
    0,
    ...copies.flatMap(({ generation, database, relation }) =>
      database === null && relation === null ? [generation] : [],
    ),
  );
