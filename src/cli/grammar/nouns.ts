/** The nouns, matched as loosely as scripts and people have come to rely on: plurals, short forms, old names. Pure. */
import { didYouMean } from '../../model/nearest.ts';
import { usageError } from './usage.ts';

const nouns = [
  'db',
  'dbgroup',
  'relgroup',
  'table',
  'sequence',
  'customname',
  'customcols',
  'filter',
  'sync',
  'all',
] as const;
export type Noun = (typeof nouns)[number];

/** In this order: `dbgroup` begins like `db`. */
const patterns: readonly (readonly [RegExp, Noun])[] = [
  [/^(dbg|d\w*group)/, 'dbgroup'],
  [/^(dbs?|datab\w*)$/, 'db'],
  [/^(relgr|herd)/, 'relgroup'],
  [/^s[yi]n[ck]/, 'sync'],
  [/^(tab|tbale)/, 'table'],
  [/^seq/, 'sequence'],
  [/^c\w*name/, 'customname'],
  [/^c\w*col/, 'customcols'],
  [/^(row_?)?filter/, 'filter'],
  [/^all$/, 'all'],
];

export const findNoun = (word: string): Noun | undefined => {
  const lower = word.toLowerCase();
  return patterns.find(([pattern]) => pattern.test(lower))?.[1];
};

/** The noun that a verb needs. */
export const readNoun = (verb: string, word: string | undefined, allowed: readonly Noun[]): Noun => {
  const choices = allowed.join(', ');
  if (word === undefined)
    throw usageError(`\`tahr ${verb}\` needs to be told what: ${choices}.`, `See \`tahr help ${verb}\`.`);
  const noun = findNoun(word);
  if (noun !== undefined && allowed.includes(noun)) return noun;
  throw usageError(
    `\`tahr ${verb}\` does not know "${word}".${didYouMean(word, allowed)}`,
    `After ${verb} comes one of: ${choices}.`,
  );
};
