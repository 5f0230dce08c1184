/** Which of the things that exist the operator means: names, wildcards, `all`. Pure. */
import { ReplicationError } from '../model/errors.ts';
import { didYouMean } from '../model/nearest.ts';
import { namePattern } from './grammar/patterns.ts';
import { usageError } from './grammar/usage.ts';
import { flattenNames } from './grammar/words.ts';

interface Selection<T> {
  /** What they are called in sentences: `database`. */
  readonly kind: string;
  /** What `tahr list` calls them: `dbs`. */
  readonly listing: string;
  /** As typed. */
  readonly words: readonly string[];
  readonly existing: readonly T[];
  readonly nameOf: (item: T) => string;
}

/**
 * What the words name, each once, in the order of the words. A word without a match is an error; so are no words.
 * @throws ReplicationError `usage`, `not_found`
 */
export const select = <T>(selection: Selection<T>): T[] => {
  const { words, existing, kind, listing } = selection;
  if (words.length === 0) {
    throw usageError(
      `No ${kind} is named.`,
      `Write a name, names with * in them, or all; \`tahr list ${listing}\` shows what there is.`,
    );
  }
  if (isAll(words)) {
    if (existing.length === 0) throw notFound(selection, 'all');
    return [...existing];
  }
  return [...new Set(flattenNames(words).flatMap((word) => matching(selection, word)))];
};

/** The same for lists: no words and no match are allowed. */
export const filter = <T>({
  words,
  existing,
  nameOf,
}: Pick<Selection<T>, 'words' | 'existing' | 'nameOf'>): T[] => {
  if (words.length === 0 || isAll(words)) return [...existing];
  const patterns = flattenNames(words).map(namePattern);
  return existing.filter((item) => patterns.some((pattern) => pattern.matches(nameOf(item))));
};

const isAll = (words: readonly string[]): boolean => words.length === 1 && words[0]?.toLowerCase() === 'all';

const matching = <T>(selection: Selection<T>, word: string): T[] => {
  const pattern = namePattern(word);
  const found = selection.existing.filter((item) => pattern.matches(selection.nameOf(item)));
  if (found.length === 0) throw notFound(selection, word);
  return found;
};

const notFound = <T>({ kind, listing, existing, nameOf }: Selection<T>, word: string): ReplicationError => {
  const isPattern = word === 'all' || namePattern(word).hasWildcard;
  const what = isPattern ? `No ${kind} matches "${word}".` : `There is no ${kind} named "${word}".`;
  return new ReplicationError('not_found', {
    message: `${what}${isPattern ? '' : didYouMean(word, existing.map(nameOf))}`,
    hint: `\`tahr list ${listing}\` shows what there is.`,
    facts: { kind, name: word },
  });
};
