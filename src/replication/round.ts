/**
 * One round of a sync: capture -> plan -> apply -> record, in this order and nowhere else.
 *
 * 1. Open a snapshot on every source that is present; find what changed. Nothing: the end, without a write.
 * 2. Load what changed into the stage of each database that is written.
 * 3. Finish the sources: no table was rewritten meanwhile, and what was read cannot be lost any more (engine rules §1, §3).
 *    At the same time, where no application waits for our locks,
 * 4. on each written database, in one transaction: the positions (the fence), locks, verdicts, rows, records. When the sources
 *    have finished: commit.
 *
 * Each written database commits or fails by itself. A failure costs a repeat, never a row (invariants 1 and 2).
 */
import type { Position } from '../connectors/postgres/position.ts';
import type { DatabaseId, Member, SyncDefinition } from '../model/topology.ts';
import type { Loan } from '../pg/pool.ts';
import { type AppliedCounts, applyRound } from './apply/destination.ts';
import type { Reached } from './fault-point.ts';
import type { Catalog } from './read/catalog.ts';
import { sequenceKey, sequencesFor } from './read/sequences.ts';
import { type Loaded, type ReadingPlace, readRound, type RoundRead } from './read-round.ts';
import { settleAll } from './settle.ts';

export interface RoundContext {
  readonly sync: SyncDefinition;
  readonly schema: string;
  /** The sources that can be reached. */
  readonly sources: readonly Member[];
  /** The databases that this round writes. */
  readonly written: readonly Member[];
  readonly borrow: (database: DatabaseId) => Promise<Loan>;
  /** The same one for as long as the round lasts. */
  readonly catalogOf: (database: DatabaseId) => Promise<Catalog>;
  readonly memory: RoundMemory;
  readonly onProgress: (progress: Progress) => void;
  readonly reached: Reached;
  /** False when another worker may have begun in the meantime. Asked before the fence, and last before each commit. */
  readonly mayWrite: () => boolean;
  /** Where the rounds of the sync meet that can read together; null: this one reads for itself. */
  readonly readingPlace: ReadingPlace | null;
}

export interface Progress {
  readonly database: DatabaseId;
  readonly isCopy: boolean;
  readonly tablesDone: number;
  readonly tablesTotal: number;
  readonly bytes: number;
}

/** What a lane knows from its last round and need not ask again; thrown away after a failure. */
export interface RoundMemory {
  readonly positions: Map<DatabaseId, readonly Position[]>;
  readonly sequences: Map<DatabaseId, string>;
}

export const emptyMemory = (): RoundMemory => ({ positions: new Map(), sequences: new Map() });

export type DatabaseOutcome =
  | { readonly kind: 'empty' }
  | {
      readonly kind: 'good';
      readonly applied: AppliedCounts;
      readonly isCopy: boolean;
      /** False: rows were chosen here of which the sources have yet to choose a version, so it is worth looking again. */
      readonly isSettled: boolean;
    }
  | { readonly kind: 'bad'; readonly error: unknown };

export type RoundOutcome = ReadonlyMap<DatabaseId, DatabaseOutcome>;

/** @throws what a source fails with; the failure of a written database is in its outcome */
export const runRound = async (context: RoundContext): Promise<RoundOutcome> => {
  await using loans = new AsyncDisposableStack();
  const { loaded, outcomes, ...read } = await readRound(context, loans);
  const applying = settleAll(loaded.map((one) => apply(context, one, read)));
  await settleAll<unknown>([read.finishing, applying]);
  return new Map([...outcomes, ...(await applying)]);
};

const apply = async (
  context: RoundContext,
  { delivery, destination, error }: Loaded,
  { sequences: furthest, finishing }: Pick<RoundRead, 'sequences' | 'finishing'>,
): Promise<[DatabaseId, DatabaseOutcome]> => {
  const { id } = delivery.member.database;
  const sequences = sequencesFor(context, delivery.member, furthest);
  try {
    if (destination === null) throw error;
    const { counts, positions, isSettled } = await applyRound({
      context,
      delivery,
      destination,
      sequences,
      sourcesFinished: finishing,
    });
    context.memory.positions.set(id, positions);
    context.memory.sequences.set(id, sequenceKey(sequences));
    return [id, { kind: 'good', applied: counts, isCopy: delivery.isCopy, isSettled }];
  } catch (failure) {
    context.memory.positions.delete(id);
    context.memory.sequences.delete(id);
    return [id, { kind: 'bad', error: failure }];
  }
};
