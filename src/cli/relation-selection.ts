/** Which of the relations that are known to the installation the operator means. Pure. */
import type { Relation } from '../control/relation.ts';
import { ReplicationError } from '../model/errors.ts';
import { didYouMean } from '../model/nearest.ts';
import { formatRelation, type RelationKind } from '../model/topology.ts';
import { matchesRelation, relationPattern } from './grammar/patterns.ts';
import { usageError } from './grammar/usage.ts';
import { splitList } from './grammar/words.ts';

interface RelationSelection {
  readonly kind: RelationKind;
  readonly words: readonly string[];
  readonly existing: readonly Relation[];
}

/** @throws ReplicationError `usage` without words, `not_found` for a word without a match */
export const selectRelations = ({ kind, words, existing }: RelationSelection): Relation[] => {
  if (words.length === 0)
    throw usageError(
      `No ${kind} is named.`,
      `Write a name, names with * in them, or all; \`tahr list ${kind}s\` shows what there is.`,
    );
  const ofKind = existing.filter((relation) => relation.kind === kind);
  const isAll = words.length === 1 && words[0]?.toLowerCase() === 'all';
  const patterns = isAll ? ['*'] : words.flatMap(splitList);
  return [...new Set(patterns.flatMap((word) => matching({ kind, existing: ofKind, word })))];
};

/**
 * The one relation that the word names.
 * @throws ReplicationError `not_found`; `usage` where several are called so
 */
export const selectRelation = (existing: readonly Relation[], word: string): Relation => {
  const pattern = relationPattern(word);
  const [found, ...others] = existing.filter(({ relation }) => matchesRelation(pattern, relation));
  if (found === undefined) throw unknownRelation('table or sequence', word, existing);
  if (others.length === 0) return found;
  const candidates = [found, ...others].map(({ relation }) => formatRelation(relation));
  throw usageError(`"${word}" can be any of ${candidates.join(', ')}.`, 'Write its schema, too.');
};

const matching = ({
  kind,
  existing,
  word,
}: {
  kind: RelationKind;
  existing: readonly Relation[];
  word: string;
}): Relation[] => {
  const pattern = relationPattern(word);
  const found = existing.filter(({ relation }) => matchesRelation(pattern, relation));
  if (found.length > 0) return found;
  throw unknownRelation(kind, word, existing);
};

const unknownRelation = (kind: string, word: string, existing: readonly Relation[]): ReplicationError => {
  const known = existing.flatMap(({ relation }) => [relation.name, formatRelation(relation)]);
  return new ReplicationError('not_found', {
    message: relationPattern(word).hasWildcard
      ? `No ${kind} matches "${word}".`
      : `There is no ${kind} named "${word}" here.${didYouMean(word, known)}`,
    hint: `\`tahr list ${kind === 'sequence' ? 'sequences' : 'tables'}\` shows what there is.`,
    facts: { kind, name: word },
  });
};
