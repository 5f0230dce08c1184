import { expect, test } from 'vitest';
import { flattenNames, readWords, splitList, unquote } from './words.ts';

const keys = new Set(['relgroup', 'db']);

test('a word with = is a setting, also when the command has no such key', () => {
  expect(readWords(['orders', 'Relgroup=a=b', 'nonsense=1'], keys)).toEqual({
    names: ['orders'],
    settings: [
      { key: 'relgroup', value: 'a=b' },
      { key: 'nonsense', value: '1' },
    ],
  });
});

test('a word with : is a setting for a key of the command, else a name', () => {
  expect(readWords(['db:A', 'A:source'], keys)).toEqual({
    names: ['A:source'],
    settings: [{ key: 'db', value: 'A' }],
  });
});

test('a quoted name may contain an equals sign', () => {
  expect(readWords(['"a=b"'], keys).names).toEqual(['"a=b"']);
});

test('a list is split at commas outside of quotes', () => {
  expect(splitList('a, "b,c",,d')).toEqual(['a', '"b,c"', 'd']);
  expect(flattenNames(['A,B', "'C'"])).toEqual(['A', 'B', 'C']);
});

test('a quote that is not closed is refused', () => {
  expect(() => splitList('a,"b')).toThrow('not closed');
});

test('only a pair of quotes around the whole value is taken away', () => {
  expect([unquote('"a b"'), unquote("'a'"), unquote('"a"."b"'), unquote('a"')]).toEqual([
    'a b',
    'a',
    '"a"."b"',
    'a"',
  ]);
});
