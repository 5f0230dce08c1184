/** The values of sequences in a round: what the sources have, and what a database is to be brought to. */
import type { SequenceValue } from '../../connectors/postgres/sequences.ts';
import {
  type DatabaseId,
  type Member,
  type RelationName,
  relationsOn,
  type SyncDefinition,
} from '../../model/topology.ts';
import type { RoundContext } from '../round.ts';
import type { OpenSource } from './source.ts';

export const sequencesOf = (
  { sync }: RoundContext,
  { database, reader }: OpenSource,
): Promise<readonly SequenceValue[]> => reader.sequences(namesOn(sync, database.id));

const namesOn = (sync: SyncDefinition, database: DatabaseId): RelationName[] =>
  relationsOn(sync, database)
    .filter(({ kind }) => kind === 'sequence')
    .map(({ relation }) => relation);

/** What a database is to be brought to. The sources of an interleaved sync keep values of their own. */
export const sequencesFor = (
  { sync }: RoundContext,
  { role, database }: Member,
  furthest: readonly SequenceValue[],
): readonly SequenceValue[] => {
  if (sync.sequence === 'interleave' && role === 'source') return [];
  const names = namesOn(sync, database.id);
  return furthest.map((value, index) => ({ ...value, relation: names[index] ?? value.relation }));
};

/** Equal for equal values. */
export const sequenceKey = (sequences: readonly SequenceValue[]): string =>
  sequences.map(({ lastValue, isCalled }) => `${lastValue}${isCalled ? '' : '-'}`).join(',');
