/**
 * How a word of the command line is read: as a setting (`key=value`, or `key:value` for a key that the command
 * has), or as a name. Pure.
 *
 * The shell has taken its own quotes away already. Quotes that are left around a whole value are taken away too;
 * quotes inside a list keep a comma, a dot or a wildcard from being special.
 */
import { usageError } from './usage.ts';

export interface Word {
  readonly key: string;
  readonly value: string;
}

export interface Words {
  readonly names: readonly string[];
  readonly settings: readonly Word[];
}

/** `knownKeys` decides about `key:value`: `A:source` is a name with a role unless the command has a key `a`. */
export const readWords = (words: readonly string[], knownKeys: ReadonlySet<string>): Words => {
  const names: string[] = [];
  const settings: Word[] = [];
  for (const word of words) {
    const setting = readSetting(word, knownKeys);
    if (setting === null) names.push(word);
    else settings.push(setting);
  }
  return { names, settings };
};

const readSetting = (word: string, knownKeys: ReadonlySet<string>): Word | null => {
  const match = /^([a-z_]+)\s*([=:])\s*(.*)$/is.exec(word);
  if (match === null) return null;
  const [, name = '', separator = '', value = ''] = match;
  const key = name.toLowerCase();
  if (separator === ':' && !knownKeys.has(key)) return null;
  return { key, value };
};

/** A value without the pair of quotes around it. */
export const unquote = (value: string): string => {
  const match = /^(?:"([^"]*)"|'([^']*)')$/s.exec(value);
  return match?.[1] ?? match?.[2] ?? value;
};

/** The elements of `a,b,"c,d"`, quotes kept; empty elements are left out. */
export const splitList = (value: string): string[] => {
  const elements: string[] = [];
  let element = '';
  let quote: string | null = null;
  for (const character of value) {
    if (quote === null && character === ',') {
      elements.push(element);
      element = '';
      continue;
    }
    if (quote === null && (character === '"' || character === "'")) quote = character;
    else if (character === quote) quote = null;
    element += character;
  }
  if (quote !== null)
    throw usageError(
      `The quotes in ${value} are not closed.`,
      'Close them; quotes inside single quotes survive the shell.',
    );
  return [...elements, element].map((part) => part.trim()).filter((part) => part !== '');
};

/** Names that may stand as separate words and as lists: `A B,C`. */
export const flattenNames = (names: readonly string[]): string[] =>
  names.flatMap((name) => splitList(name)).map(unquote);
