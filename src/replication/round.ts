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
import type { Window } from '../connectors/postgres/changes.ts';
import { type Position, readPositions } from '../connectors/postgres/position.ts';
import { furthestSequences, type SequenceValue } from '../connectors/postgres/sequences.ts';
import { isReplicationError } from '../model/errors.ts';
import type { DatabaseId, Member, SyncDefinition } from '../model/topology.ts';
import type { Loan } from '../pg/pool.ts';
import { type AppliedCounts, applyRound, type Destination, loadRound } from './apply/destination.ts';
import type { Reached } from './fault-point.ts';
import type { Catalog } from './read/catalog.ts';
import { type OpenSource, openSource } from './read/source.ts';
import { type Delivery, foreseenWindow, movesOf, planDelivery } from './read/delivery.ts';
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
  | { readonly kind: 'good'; readonly applied: AppliedCounts; readonly isCopy: boolean }
  | { readonly kind: 'bad'; readonly error: unknown };

export type RoundOutcome = ReadonlyMap<DatabaseId, DatabaseOutcome>;

/** @throws what a source fails with; the failure of a written database is in its outcome */
export const runRound = async (context: RoundContext): Promise<RoundOutcome> => {
  await using loans = new AsyncDisposableStack();
  const sources = await openSources(context, loans);
  const { deliveries, outcomes } = await planDeliveries(context, sources);
  const sequences = furthestSequences(await settleAll(sources.map((source) => sequencesOf(context, source))));
  const busy = deliveries.filter((delivery) => hasWork(context, delivery, sequences));
  if (busy.length === 0) {
    await settleAll(sources.map(({ reader }) => reader.abandon()));
    return outcomes;
  }
  const loaded = await settleAll(busy.map((delivery) => load(context, delivery, loans)));
  const read = loaded.flatMap(({ destination, delivery }) => (destination === null ? [] : [delivery]));
  const finishing = finishSources(context, sources, { read, flushedUpTo: ({ opening }) => opening.lsn });
  const applying = settleAll(
    loaded.map((destination) => apply(context, { destination, sequences, finishing })),
  );
  await settleAll<unknown>([finishing, applying]);
  return new Map([...outcomes, ...(await applying)]);
};

/** A snapshot on each; the sessions are given back with the stack. */
export const openSources = (context: RoundContext, loans: AsyncDisposableStack): Promise<OpenSource[]> => {
  // Those of the written databases too, at the same time. Who needs one asks again, and hears why it cannot be had.
  for (const { database } of context.written) context.catalogOf(database.id).catch(() => undefined);
  return settleAll(context.sources.map((member) => open(context, member, loans)));
};

const open = async (
  context: RoundContext,
  { database }: Member,
  loans: AsyncDisposableStack,
): Promise<OpenSource> => {
  const catalog = await context.catalogOf(database.id);
  const loan = loans.use(await context.borrow(database.id));
  const source = await openSource({
    session: loan.session,
    schema: context.schema,
    sync: context.sync,
    database,
    catalog,
    window: windowAhead(context),
  });
  await context.reached('source_opened', database);
  return source;
};

/** Where the only written database will look for changes, if it stands where its last round has left it. */
const windowAhead = ({ sync, written, memory }: RoundContext): Window | null => {
  const [member, ...others] = written;
  const positions = member === undefined ? undefined : memory.positions.get(member.database.id);
  if (member?.role !== 'target' || others.length > 0 || positions === undefined) return null;
  return foreseenWindow({ sync, member }, positions);
};

interface Plan {
  readonly deliveries: readonly Delivery[];
  /** Of all written databases: `bad` for those that cannot be planned for, `empty` until something is done. */
  readonly outcomes: RoundOutcome;
}

export const planDeliveries = async (
  context: RoundContext,
  sources: readonly OpenSource[],
): Promise<Plan> => {
  const deliveries: Delivery[] = [];
  const outcomes = new Map<DatabaseId, DatabaseOutcome>();
  for (const member of context.written) {
    const { id } = member.database;
    try {
      deliveries.push(await planFor(context, member, sources));
      outcomes.set(id, { kind: 'empty' });
    } catch (error) {
      // A side that does not fit hinders itself only. Anything else may concern the sources, and so everybody.
      if (!isReplicationError(error, 'schema_differs')) throw error;
      outcomes.set(id, { kind: 'bad', error });
    }
  }
  return { deliveries, outcomes };
};

const planFor = async (
  context: RoundContext,
  member: Member,
  sources: readonly OpenSource[],
): Promise<Delivery> => {
  const { sync, schema } = context;
  // First the catalog: it finds out whether there is a place for positions at all.
  const catalog = await context.catalogOf(member.database.id);
  const positions = await positionsOf(context, member, sources);
  const delivery = await planDelivery({ sync, schema, member, catalog, positions, sources });
  await context.reached('changes_read', member.database);
  return delivery;
};

/** A source says them in its snapshot; a target is asked when its lane does not know them. */
export const positionsOf = async (
  context: RoundContext,
  { database }: Member,
  sources: readonly OpenSource[],
): Promise<readonly Position[]> => {
  const source = sources.find((candidate) => candidate.database.id === database.id);
  if (source !== undefined) return source.opening.positions;
  const known = context.memory.positions.get(database.id);
  if (known !== undefined) return known;
  await using loan = await context.borrow(database.id);
  const positions = await readPositions(loan.session, context.schema, context.sync.id);
  context.memory.positions.set(database.id, positions);
  return positions;
};

const sequencesOf = (context: RoundContext, { reader }: OpenSource): Promise<readonly SequenceValue[]> =>
  reader.sequences(
    context.sync.relations.filter(({ kind }) => kind === 'sequence').map(({ relation }) => relation),
  );

/** What a database is to be brought to. The sources of an interleaved sync keep values of their own. */
const sequencesFor = (
  { sync }: RoundContext,
  { role }: Member,
  furthest: readonly SequenceValue[],
): readonly SequenceValue[] => (sync.sequence === 'interleave' && role === 'source' ? [] : furthest);

const sequenceKey = (sequences: readonly SequenceValue[]): string =>
  sequences.map(({ lastValue, isCalled }) => `${lastValue}${isCalled ? '' : '-'}`).join(',');

/** A database that has read nobody, because it is alone, has nothing to receive, and no step that would keep others out. */
const hasWork = (context: RoundContext, delivery: Delivery, furthest: readonly SequenceValue[]): boolean => {
  const { tables, isCopy, startsAnew, isOverdue, member } = delivery;
  if (movesOf(delivery).length === 0) return false;
  const sequences = sequencesFor(context, member, furthest);
  const hasNewValues =
    sequences.length > 0 && context.memory.sequences.get(member.database.id) !== sequenceKey(sequences);
  return tables.length > 0 || isCopy || startsAnew || isOverdue || hasNewValues;
};

type Loaded = {
  readonly delivery: Delivery;
  readonly destination: Destination | null;
  readonly error: unknown;
};

const load = async (
  context: RoundContext,
  delivery: Delivery,
  loans: AsyncDisposableStack,
): Promise<Loaded> => {
  try {
    const loan = loans.use(await context.borrow(delivery.member.database.id));
    const destination = await loadRound({ context, delivery, loan });
    return { delivery, destination, error: null };
  } catch (error) {
    return { delivery, destination: null, error };
  }
};

/** Of those that these deliveries have been read from; what the others leave behind is of no use to anybody. */
export const finishSources = (
  { reached }: Pick<RoundContext, 'reached'>,
  sources: readonly OpenSource[],
  {
    read,
    flushedUpTo,
  }: { readonly read: readonly Delivery[]; readonly flushedUpTo: (source: OpenSource) => string },
): Promise<void[]> =>
  settleAll(
    sources.map(async (source) => {
      const { database, reader } = source;
      const readers = read.filter(({ member }) => member.database.id !== database.id);
      if (readers.length === 0) return reader.abandon();
      const streams = readers.flatMap(({ tables }) => tables.flatMap((table) => table.streams));
      const tables = streams
        .filter((stream) => stream.source.database.id === database.id)
        .map(({ table }) => table);
      await reader.finish([...new Set(tables)], flushedUpTo(source));
      await reached('source_finished', database);
    }),
  );

interface Application {
  readonly destination: Loaded;
  readonly sequences: readonly SequenceValue[];
  readonly finishing: Promise<unknown>;
}

const apply = async (
  context: RoundContext,
  { destination: { delivery, destination, error }, sequences: furthest, finishing }: Application,
): Promise<[DatabaseId, DatabaseOutcome]> => {
  const { id } = delivery.member.database;
  const sequences = sequencesFor(context, delivery.member, furthest);
  try {
    if (destination === null) throw error;
    const applied = await applyRound({
      context,
      delivery,
      destination,
      sequences,
      sourcesFinished: finishing,
    });
    context.memory.positions.set(id, delivery.nextPositions);
    context.memory.sequences.set(id, sequenceKey(sequences));
    return [id, { kind: 'good', applied, isCopy: delivery.isCopy }];
  } catch (failure) {
    context.memory.positions.delete(id);
    context.memory.sequences.delete(id);
    return [id, { kind: 'bad', error: failure }];
  }
};
