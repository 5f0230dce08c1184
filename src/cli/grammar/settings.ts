/** The settings of one command: which keys there are, under which other names, and how their values are read. Pure. */
import { didYouMean } from '../../model/nearest.ts';
import { usageError } from './usage.ts';
import type { Reader } from './values.ts';
import type { Word } from './words.ts';

export interface Key<T> {
  readonly read: Reader<T>;
  /** One line for `--help`: the form of the value and what it does. */
  readonly help: string;
  readonly aliases?: readonly string[];
}

export type Keys = Readonly<Record<string, Key<unknown>>>;

/** What was given; a key that was not is absent. */
export type Settings<K extends Keys> = { readonly [N in keyof K]?: K[N] extends Key<infer T> ? T : never };

export const key = <T>(read: Reader<T>, help: string, aliases: readonly string[] = []): Key<T> => ({
  read,
  help,
  aliases,
});

export const keyNames = (keys: Keys): ReadonlySet<string> =>
  new Set(Object.entries(keys).flatMap(([name, { aliases = [] }]) => [name, ...aliases]));

/** Reads all settings, or refuses the first that the command does not have or that comes twice. */
export const readSettings = <K extends Keys>(
  keys: K,
  words: readonly Word[],
  command: string,
): Settings<K> => {
  const values: Record<string, unknown> = {};
  for (const word of words) {
    const name = canonicalName(keys, word.key);
    const definition = name === undefined ? undefined : keys[name];
    if (name === undefined || definition === undefined) throw unknownKey(keys, word.key, command);
    if (Object.hasOwn(values, name)) throw usageError(`${name} is given twice.`, `Give ${name} once.`);
    values[name] = definition.read(word.value, word.key);
  }
  return values as Settings<K>;
};

const canonicalName = (keys: Keys, word: string): string | undefined =>
  Object.keys(keys).find((name) => name === word || keys[name]?.aliases?.includes(word));

const unknownKey = (keys: Keys, word: string, command: string) => {
  const names = Object.keys(keys);
  if (names.length === 0) return usageError(`\`tahr ${command}\` takes no settings, but got ${word}=.`);
  return usageError(
    `\`tahr ${command}\` has no setting "${word}".${didYouMean(word, keyNames(keys))}`,
    `It takes: ${names.join(', ')}.`,
  );
};
