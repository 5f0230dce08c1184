/**
 * The first half of a round: what has changed is read, and is staged on the databases that are written.
 *
 * Rounds of several targets that have much to read from the same position do it together (docs/decisions/0016): one of them opens the snapshot for all,
 * and rows that several ask for are read once. From there on each goes on by itself.
 */
import assert from 'node:assert/strict';
import { furthestSequences, type SequenceValue } from '../connectors/postgres/sequences.ts';
import { type Seat, SharedReader } from '../connectors/postgres/shared-reader.ts';
import { type DatabaseId, sources as sourcesOf, targets as targetsOf } from '../model/topology.ts';
import type { Loan } from '../pg/pool.ts';
import { type Destination, loadRound } from './apply/destination.ts';
import { bringsLittle, type Delivery, movesOf } from './read/delivery.ts';
import { finishSources } from './read/finish-sources.ts';
import { openSources, planDeliveries, type RoundPlan } from './read/plan-round.ts';
import type { Comer, Guest, Meeting, Rendezvous } from './read/rendezvous.ts';
import { sequenceKey, sequencesFor, sequencesOf } from './read/sequences.ts';
import type { OwnSource } from './read/source.ts';
import type { RoundContext, RoundOutcome } from './round.ts';
import { settleAll } from './settle.ts';

/** What has been read for the databases of a round. */
export interface RoundRead {
  readonly loaded: readonly Loaded[];
  /** Of all written databases: `bad` for those that cannot be planned for, `empty` until something is done. */
  readonly outcomes: RoundOutcome;
  readonly sequences: readonly SequenceValue[];
  /** Fails when what was read cannot be relied on: then nothing may be committed. */
  readonly finishing: Promise<unknown>;
}

export interface Loaded {
  readonly delivery: Delivery;
  /** Null where that has failed. */
  readonly destination: Destination | null;
  readonly error: unknown;
}

/** A round that another one reads for, with its session on the database that it writes. */
interface Party {
  readonly context: RoundContext;
  readonly loan: Loan;
}

export type ReadingPlace = Rendezvous<Party, RoundRead, DatabaseId>;

/** @throws what a source fails with */
export const readRound = async (context: RoundContext, loans: AsyncDisposableStack): Promise<RoundRead> => {
  const { opened, loan, meeting } = await begin(context, loans);
  if (meeting?.kind === 'follows') {
    // Our session is in the other's hands until all has been read.
    const [read] = await Promise.allSettled([meeting.reading, abandonAll(opened.sources)]);
    if (read.status === 'rejected') throw read.reason;
    return read.value;
  }
  return loan === null || meeting === null || meeting.guests.length === 0
    ? readAlone(context, { ...opened, loans, loan })
    : readTogether(context, { sources: opened.sources, loan, guests: meeting.guests });
};

interface Opened {
  readonly sources: readonly OwnSource[];
  readonly plan: RoundPlan;
}

interface Beginning {
  readonly opened: Opened;
  /** On the written database; null: nobody has needed one yet. */
  readonly loan: Loan | null;
  /** Null: the round has nothing in common with others. */
  readonly meeting: Meeting<Party, RoundRead> | null;
}

const begin = async (context: RoundContext, loans: AsyncDisposableStack): Promise<Beginning> => {
  using comer = enter(context);
  const sources = await openSources(context, loans);
  const plan = await planDeliveries(context, sources);
  const opened = { sources, plan };
  const [delivery] = plan.deliveries;
  if (comer === null || delivery === undefined || !mayBeShared(delivery))
    return { opened, loan: null, meeting: null };
  const loan = loans.use(await context.borrow(delivery.member.database.id));
  return { opened, loan, meeting: await comer.meet(placeOf(delivery), { context, loan }) };
};

/** Where there are several sources, rows carry what their reader knows, and are not the same for two. */
const enter = ({ sync, written, readingPlace }: RoundContext): Comer<Party, RoundRead> | null => {
  const [member] = written;
  const isShared = sourcesOf(sync).length === 1 && targetsOf(sync).length > 1;
  return readingPlace !== null && isShared && member !== undefined
    ? readingPlace.enter(member.database.id)
    : null;
};

const mayBeShared = (delivery: Delivery): boolean =>
  !bringsLittle(delivery) && delivery.tables.every(({ plan }) => !plan.hasVersions);

/** Those that read from the same place want the same rows. */
const placeOf = ({ isCopy, positions }: Delivery): string =>
  isCopy ? 'the beginning' : (positions[0]?.snapshot ?? '');

const abandonAll = (sources: readonly OwnSource[]): Promise<void[]> =>
  settleAll(sources.map(({ reader }) => reader.abandon()));

const readAlone = async (
  context: RoundContext,
  {
    sources,
    plan,
    loans,
    loan,
  }: Opened & { readonly loans: AsyncDisposableStack; readonly loan: Loan | null },
): Promise<RoundRead> => {
  const sequences = furthestSequences(await settleAll(sources.map((source) => sequencesOf(context, source))));
  const lend = async (id: DatabaseId): Promise<Loan> => loan ?? loans.use(await context.borrow(id));
  const loaded = await loadAll(context, { plan, sequences, lend });
  return { loaded, outcomes: plan.outcomes, sequences, finishing: finish(context, sources, loaded) };
};

interface Hosting {
  readonly sources: readonly OwnSource[];
  readonly loan: Loan;
  readonly guests: readonly Guest<Party, RoundRead>[];
}

/** Reads for the guests, too. Each has its own plan and its own failures; the sources end once, for all. */
const readTogether = async (
  context: RoundContext,
  { sources, loan, guests }: Hosting,
): Promise<RoundRead> => {
  const [source] = sources;
  assert(source !== undefined && sources.length === 1, 'a read that is shared has one source');
  const shared = new SharedReader(source.reader);
  const parties = [{ context, loan }, ...guests.map(({ party }) => party)];
  const seated = parties.map((party) => ({ party, seat: shared.seat(nameOf(party)) }));
  const reads = await Promise.allSettled(seated.map((one) => readFor(source, one)));
  const loaded = reads.flatMap((read) => (read.status === 'fulfilled' ? read.value.loaded : []));
  const finishing = finish(context, sources, loaded);
  const answers = reads.map(async (read): Promise<RoundRead> => {
    if (read.status === 'fulfilled') return { ...read.value, finishing };
    await Promise.allSettled([finishing]);
    throw read.reason;
  });
  for (const [index, { answer }] of guests.entries()) answer(answers[index + 1] as Promise<RoundRead>);
  return answers[0] as Promise<RoundRead>;
};

const nameOf = ({ context: { written } }: Party): string => written[0]?.database.name ?? '';

interface Seated {
  readonly party: Party;
  readonly seat: Seat;
}

const readFor = async (
  source: OwnSource,
  { party: { context, loan }, seat }: Seated,
): Promise<Omit<RoundRead, 'finishing'>> => {
  const cutOff = (): void => loan.session.destroy();
  seat.signal.addEventListener('abort', cutOff, { once: true });
  try {
    const own = { ...source, reader: seat };
    const plan = await planDeliveries(context, [own]);
    const sequences = await sequencesOf(context, own);
    const loaded = await loadAll(context, { plan, sequences, lend: async () => loan });
    return { loaded: loaded.map((one) => blamed(context, seat, one)), outcomes: plan.outcomes, sequences };
  } finally {
    seat.leave();
  }
};

/** What has failed because the others went on without it says so, and is read for alone next time. */
const blamed = ({ readingPlace }: RoundContext, { signal }: Seat, loaded: Loaded): Loaded => {
  if (!signal.aborted) return loaded;
  readingPlace?.part(loaded.delivery.member.database.id);
  return { ...loaded, destination: null, error: signal.reason };
};

const finish = (
  context: RoundContext,
  sources: readonly OwnSource[],
  loaded: readonly Loaded[],
): Promise<unknown> => {
  const read = loaded.flatMap(({ destination, delivery }) => (destination === null ? [] : [delivery]));
  const finishing = finishSources(context, sources, { read, flushedUpTo: ({ opening }) => opening.lsn });
  // Whoever applies what was read hears of it.
  finishing.catch(() => undefined);
  return finishing;
};

interface Loading {
  readonly plan: RoundPlan;
  readonly sequences: readonly SequenceValue[];
  readonly lend: (database: DatabaseId) => Promise<Loan>;
}

const loadAll = (context: RoundContext, { plan, sequences, lend }: Loading): Promise<Loaded[]> =>
  settleAll(
    plan.deliveries
      .filter((delivery) => hasWork(context, delivery, sequences))
      .map((delivery) => load(context, delivery, lend)),
  );

const load = async (context: RoundContext, delivery: Delivery, lend: Loading['lend']): Promise<Loaded> => {
  try {
    const loan = await lend(delivery.member.database.id);
    const destination = await loadRound({ context, delivery, loan });
    return { delivery, destination, error: null };
  } catch (error) {
    return { delivery, destination: null, error };
  }
};

/** A database that has read nobody, because it is alone, has nothing to receive, and no step that would keep others out. */
const hasWork = (context: RoundContext, delivery: Delivery, furthest: readonly SequenceValue[]): boolean => {
  const { tables, isCopy, startsAnew, isOverdue, member } = delivery;
  if (movesOf(delivery).length === 0) return false;
  const sequences = sequencesFor(context, member, furthest);
  const hasNewValues =
    sequences.length > 0 && context.memory.sequences.get(member.database.id) !== sequenceKey(sequences);
  return tables.length > 0 || isCopy || startsAnew || isOverdue || hasNewValues;
};
