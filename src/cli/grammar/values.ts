/** Readers of values: each takes the text after `key=` and answers with the value or refuses it in a sentence. Pure. */
import { type Role, roles } from '../../model/topology.ts';
import { isCronExpression, nextCronTime } from '../../runtime/cron.ts';
import { usageError } from './usage.ts';
import { splitList, unquote } from './words.ts';

/** `key` is for the sentence. */
export type Reader<T> = (value: string, key: string) => T;

const invalid = (value: string, key: string, must: string) =>
  usageError(`Invalid value "${value}" for ${key}: it must be ${must}.`, `Write ${key}= with one of these.`);

export const text: Reader<string> = (value, key) => {
  const content = unquote(value);
  if (content === '')
    throw usageError(`The value for ${key} is empty.`, `Write ${key}=VALUE, or leave ${key} out.`);
  return content;
};

/** As written: quotes are part of it. */
export const expression: Reader<string> = (value, key) => {
  if (value.trim() === '')
    throw usageError(`The value for ${key} is empty.`, `Write ${key}=EXPRESSION, or leave ${key} out.`);
  return value;
};

/** May be empty. */
export const anyText: Reader<string> = (value) => unquote(value);

/** As written, quotes kept: relation names have quotes of their own. */
export const list: Reader<readonly string[]> = (value, key) => {
  const elements = splitList(value);
  if (elements.length === 0) throw usageError(`The list for ${key} is empty.`, `Write ${key}=A,B,C.`);
  return elements;
};

const booleans: Readonly<Record<string, boolean>> = {
  t: true,
  true: true,
  on: true,
  yes: true,
  '1': true,
  f: false,
  false: false,
  off: false,
  no: false,
  '0': false,
};

export const boolean: Reader<boolean> = (value, key) => {
  const known = booleans[unquote(value).toLowerCase()];
  if (known === undefined) throw invalid(value, key, 'true or false (or on/off, yes/no, 1/0)');
  return known;
};

/** `default` (or nothing) goes back to what the database or the sync says. */
export const booleanOrDefault: Reader<boolean | null> = (value, key) =>
  ['', 'default'].includes(unquote(value).toLowerCase()) ? null : boolean(value, key);

export const choice =
  <T extends string>(allowed: readonly T[]): Reader<T> =>
  (value, key) => {
    const word = unquote(value).toLowerCase();
    const found = allowed.find((candidate) => candidate === word);
    if (found === undefined) throw invalid(value, key, allowed.join(' or '));
    return found;
  };

/** Some of them, in their order. */
export const choices =
  <T extends string>(allowed: readonly T[]): Reader<readonly T[]> =>
  (value, key) => {
    const words = splitList(unquote(value)).map((word) => unquote(word).toLowerCase());
    if (words.length === 0 || words.some((word) => !(allowed as readonly string[]).includes(word)))
      throw invalid(value, key, `a list of ${allowed.join(', ')}`);
    return allowed.filter((word) => words.includes(word));
  };

const copies: Readonly<Record<string, 0 | 1 | 2>> = {
  '0': 0,
  off: 0,
  '1': 1,
  always: 1,
  '2': 2,
  empty: 2,
};

export const oneTimeCopy: Reader<0 | 1 | 2> = (value, key) => {
  const known = copies[unquote(value).toLowerCase()];
  if (known === undefined) throw invalid(value, key, '0 (or off), 1 (or always), or 2 (or empty)');
  return known;
};

const unitMs: readonly (readonly [RegExp, number])[] = [
  [/^(ms|msecs?|milliseconds?)$/, 1],
  [/^(|s|secs?|seconds?)$/, 1000],
  [/^(m|mins?|minutes?)$/, 60_000],
  [/^(h|hrs?|hours?)$/, 3_600_000],
  [/^(d|days?)$/, 86_400_000],
];

/** As `list`, and nothing is an empty one. */
export const names: Reader<readonly string[]> = (value, key) =>
  unquote(value).trim() === '' ? [] : list(value, key);

/** `columns`: true; `off` and the like: false. */
export const mergeMode: Reader<boolean> = (value, key) => {
  const content = unquote(value).trim().toLowerCase();
  if (content !== 'columns' && content !== 'off') throw invalid(value, key, 'columns or off');
  return content === 'columns';
};

/** A whole number, also below 0. */
export const integer: Reader<number> = (value, key) => {
  const content = unquote(value).trim();
  if (!/^-?\d{1,9}$/.test(content)) throw invalid(value, key, 'a whole number');
  return Number(content);
};

/** `90`, `90 seconds`, `1 hour 30 min`, `01:30:00`; nothing, `none` or 0: null. */
export const intervalMs: Reader<number | null> = (value, key) => {
  const content = unquote(value).trim().toLowerCase();
  if (['', 'none', 'off', 'never'].includes(content)) return null;
  const ms = clockMs(content) ?? unitsMs(content);
  if (ms === null) throw invalid(value, key, 'an interval such as 30s, "5 minutes", 1h30m or 00:05:00');
  return ms === 0 ? null : ms;
};

const byteUnits: readonly (readonly [RegExp, number])[] = [
  [/^(k|kb)$/, 1e3],
  [/^(m|mb)$/, 1e6],
  [/^(g|gb)$/, 1e9],
  [/^(t|tb)$/, 1e12],
];

const bytesIn = (content: string): number | null => {
  const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([kmgt]b?)$/.exec(content) ?? [];
  const factor = byteUnits.find(([pattern]) => pattern.test(unit))?.[1];
  return factor === undefined ? null : Math.round(Number(amount) * factor);
};

/** What has been read is acknowledged some seconds later. */
const queueAgeMinMs = 60_000;

/** `2GB`, `1d`, `"2GB,1 day"`; nothing, `none` or `off`: no limit. A bare m is minutes. */
export const queueLimit: Reader<{ readonly bytes: number | null; readonly ageMs: number | null }> = (
  value,
  key,
) => {
  const limit: { bytes: number | null; ageMs: number | null } = { bytes: null, ageMs: null };
  const content = unquote(value).trim().toLowerCase();
  if (['', 'none', 'off', 'never'].includes(content)) return limit;
  for (const part of content.split(',').map((word) => word.trim())) {
    const bytes = part.endsWith('b') ? bytesIn(part) : null;
    const ageMs = bytes === null ? (clockMs(part) ?? unitsMs(part)) : null;
    if (bytes === null && (ageMs === null || ageMs < queueAgeMinMs || !/[a-z:]/.test(part)))
      throw invalid(
        value,
        key,
        'a size such as 2GB, an age such as 1d (a minute at least), or both with a comma',
      );
    if (bytes !== null) limit.bytes = bytes;
    if (ageMs !== null) limit.ageMs = ageMs;
  }
  return limit;
};

/** One of the words; nothing or `default`: null. */
export const choiceOrDefault =
  <T extends string>(words: readonly T[]): Reader<T | null> =>
  (value, key) =>
    ['', 'default'].includes(unquote(value).trim().toLowerCase()) ? null : choice(words)(value, key);

/** `"0 3 * * *"`; nothing, `none` or `off`: null. */
export const cron: Reader<string | null> = (value, key) => {
  const content = unquote(value).trim();
  if (['', 'none', 'off', 'never'].includes(content.toLowerCase())) return null;
  if (!isCronExpression(content) || nextCronTime(content, Date.now()) === null)
    throw invalid(value, key, 'a cron expression such as "0 3 * * *" (minute hour day month weekday)');
  return content;
};

const clockMs = (content: string): number | null => {
  const match = /^(\d+):([0-5]\d)(?::([0-5]\d))?$/.exec(content);
  if (match === null) return null;
  return (Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3] ?? 0)) * 1000;
};

const unitsMs = (content: string): number | null => {
  if (!/^(\d+(\.\d+)?\s*[a-z]*\s*)+$/.test(content)) return null;
  let total = 0;
  for (const [, amount = '', unit = ''] of content.matchAll(/(\d+(?:\.\d+)?)\s*([a-z]*)/g)) {
    const factor = unitMs.find(([pattern]) => pattern.test(unit))?.[1];
    if (factor === undefined) return null;
    total += Number(amount) * factor;
  }
  return Math.round(total);
};

const rolePatterns: readonly (readonly [RegExp, Role])[] = [
  [/^(s|sources?|mas\w*|m|pri\w*)$/, 'source'],
  [/^(t|tar\w*|rep\w*|slaves?)$/, 'target'],
  [/^f(ull\w*)?$/, 'fullcopy'],
];

export interface NamedRole {
  readonly name: string;
  /** Null: nothing was said. */
  readonly role: Role | null;
  readonly priority: number;
}

/** `A:source:pri=1`, `A:source`, or just `A`. */
export const namedRole = (word: string): NamedRole => {
  const [name = '', role, rank = 'pri=0', ...rest] = unquote(word).split(':');
  const priority = /^pri(?:ority)?=(-?\d{1,4})$/.exec(rank)?.[1];
  if (rest.length > 0 || !isName(name) || priority === undefined)
    throw usageError(`Invalid name: ${word}.`, 'Write NAME or NAME:ROLE, for example A:source.');
  if (role === undefined) return { name, role: null, priority: 0 };
  const known = rolePatterns.find(([pattern]) => pattern.test(role.toLowerCase()))?.[1];
  if (known === undefined)
    throw usageError(`"${role}" is no role for "${name}".`, `A role is one of: ${roles.join(', ')}.`);
  return { name, role: known, priority: Number(priority) };
};

export const namedRoles: Reader<readonly NamedRole[]> = (value, key) => list(value, key).map(namedRole);

/** Databases, dbgroups and syncs are named like this. */
const isName = (name: string): boolean => /^[a-z]\w*$/i.test(name);

export const name = (word: string, what: string): string => {
  const content = unquote(word);
  if (!isName(content)) {
    throw usageError(
      `"${content}" cannot be the name of a ${what}.`,
      'A name is a letter, then letters, digits and underscores.',
    );
  }
  return content;
};
