/** The values of sequences in a round: what the sources have, and what a database is to be brought to. */
import type { SequenceValue } from '../../connectors/postgres/sequences.ts';
import type { Member } from '../../model/topology.ts';
import type { RoundContext } from '../round.ts';
import type { OpenSource } from './source.ts';

export const sequencesOf = (
  context: RoundContext,
  { reader }: OpenSource,
): Promise<readonly SequenceValue[]> =>
  reader.sequences(
    context.sync.relations.filter(({ kind }) => kind === 'sequence').map(({ relation }) => relation),
  );

/** What a database is to be brought to. The sources of an interleaved sync keep values of their own. */
export const sequencesFor = (
  { sync }: RoundContext,
  { role }: Member,
  furthest: readonly SequenceValue[],
): readonly SequenceValue[] => (sync.sequence === 'interleave' && role === 'source' ? [] : furthest);

/** Equal for equal values. */
export const sequenceKey = (sequences: readonly SequenceValue[]): string =>
  sequences.map(({ lastValue, isCalled }) => `${lastValue}${isCalled ? '' : '-'}`).join(',');
