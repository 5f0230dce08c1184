/** Interleaves the sequences of a sync among its sources, and puts back those that it does not interleave any more. */
import {
  type InterleavedSequence,
  interleaveSequence,
  putBackSequence,
  readInterleaved,
} from '../connectors/postgres/interleave.ts';
import { furthest } from '../connectors/postgres/sequence-order.ts';
import { readSequences, type SequenceValue } from '../connectors/postgres/sequences.ts';
import { type RelationId, relationsOn, type SyncDefinition } from '../model/topology.ts';
import type { Session } from '../pg/session.ts';
import type { OpenMember } from './members.ts';
import { shareOf } from './share.ts';
import type { Undo } from './undo.ts';

export interface SequenceSetup {
  readonly definition: SyncDefinition;
  readonly schema: string;
  readonly signal: AbortSignal;
}

/** Does nothing where everything is as it should be. What one source could not take is put back on all that had none. */
export const interleaveAll = async (
  setup: SequenceSetup,
  members: readonly OpenMember[],
  undo: Undo,
): Promise<void> => {
  const { definition, schema, signal } = setup;
  const drawing = members.flatMap(({ session, database }) => {
    const share = shareOf(definition, database.id);
    return share === null ? [] : [{ session, share, relations: relationsOn(definition, database.id) }];
  });
  for (const { session } of drawing) {
    const before = await readOwn(setup, session);
    const isNew = ({ id }: InterleavedSequence): boolean => !before.some((known) => known.id === id);
    undo.add(async () => putBack(setup, session, { goals: new Map(), isOver: isNew }));
  }
  for (const [index, { id, kind }] of definition.relations.entries()) {
    const [first, ...others] = drawing.flatMap(({ session, share, relations }) => {
      const relation = relations[index]?.relation;
      return relation === undefined ? [] : [{ session, share, relation }];
    });
    if (kind === 'sequence' && first !== undefined)
      await interleaveSequence({ schema, sync: definition.id, id, sources: [first, ...others], signal });
  }
};

/** What an earlier form of the sync interleaved and this one does not: each goes on beyond all databases of the sync. */
export const putBackLeftovers = async (
  setup: SequenceSetup,
  members: readonly OpenMember[],
): Promise<void> => {
  const goals = furthestGoals(await Promise.all(members.map(({ session }) => readGoals(setup, session))));
  for (const { session, database } of members) {
    const isInterleaved = shareOf(setup.definition, database.id) !== null;
    const isOver = ({ id }: InterleavedSequence): boolean =>
      !isInterleaved || !setup.definition.relations.some((relation) => relation.id === id);
    await putBack(setup, session, { goals, isOver });
  }
};

/** How far each interleaved sequence has gone. */
export type Goals = ReadonlyMap<RelationId, SequenceValue>;

/** On one database; nothing of sequences that are not there any more. */
export const readGoals = async (setup: SequenceSetup, session: Session): Promise<Goals> => {
  const own = (await readOwn(setup, session)).filter(({ isThere }) => isThere);
  const values = await readSequences(
    session,
    own.map(({ relation }) => relation),
  );
  return new Map(values.map((value, index) => [(own[index] as InterleavedSequence).id, value]));
};

export const furthestGoals = (all: readonly Goals[]): Goals => {
  const goals = new Map<RelationId, SequenceValue>();
  for (const [id, value] of all.flatMap((some) => [...some])) {
    const known = goals.get(id);
    goals.set(id, known === undefined ? value : furthest([known, value]));
  }
  return goals;
};

interface PuttingBack {
  readonly goals: Goals;
  readonly isOver: (sequence: InterleavedSequence) => boolean;
}

export const putBack = async (
  setup: SequenceSetup,
  session: Session,
  { goals, isOver }: PuttingBack,
): Promise<void> => {
  const { schema, signal } = setup;
  for (const sequence of (await readOwn(setup, session)).filter(isOver))
    await putBackSequence(session, { schema, sequence, goal: goals.get(sequence.id) ?? null, signal });
};

const readOwn = async (
  { schema, definition }: SequenceSetup,
  session: Session,
): Promise<InterleavedSequence[]> =>
  [...(await readInterleaved(session, schema)).values()].filter(({ sync }) => sync === definition.id);
