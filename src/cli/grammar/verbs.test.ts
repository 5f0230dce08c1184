import { expect, test } from 'vitest';
import { findNoun, readNoun } from './nouns.ts';
import { nearest } from '../../model/nearest.ts';
import { readVerb } from './verbs.ts';

test.each([
  ['add', 'add', []],
  ['LIST', 'list', []],
  ['lsit', 'list', []],
  ['l', 'list', []],
  ['strt', 'start', []],
  ['udpate', 'update', []],
  ['delete', 'remove', []],
  ['validte', 'validate', []],
  ['add_sync', 'add', ['sync']],
  ['add_all_tables', 'add', ['all', 'tables']],
])('%s is the verb %s', (word, verb, joined) => {
  expect(readVerb(word)).toEqual({ verb, joined });
});

test('an unknown verb is refused with the nearest one', () => {
  expect(() => readVerb('remvoe')).toThrow('Unknown command "remvoe". Did you mean "remove"?');
  expect(() => readVerb('frobnicate')).toThrow(/Unknown command "frobnicate"\.$/);
});

test.each([
  ['db', 'db'],
  ['dbs', 'db'],
  ['Database', 'db'],
  ['databases', 'db'],
  ['dbg', 'dbgroup'],
  ['dbgroups', 'dbgroup'],
  ['herd', 'relgroup'],
  ['relgroups', 'relgroup'],
  ['sync', 'sync'],
  ['synk', 'sync'],
  ['sincs', 'sync'],
  ['tabel', 'table'],
  ['tbales', 'table'],
  ['seqs', 'sequence'],
  ['all', 'all'],
  ['orders', undefined],
])('%s is the noun %s', (word, noun) => {
  expect(findNoun(word)).toBe(noun);
});

test('a noun that is missing or does not fit is refused with the choices', () => {
  expect(() => readNoun('add', undefined, ['db', 'sync'])).toThrow('needs to be told what: db, sync');
  expect(() => readNoun('add', 'dc', ['db', 'sync'])).toThrow('Did you mean "db"?');
});

test('a suggestion is made only for a word that is near', () => {
  expect(nearest('relgruop', ['relgroup', 'dbgroup'])).toBe('relgroup');
  expect(nearest('xyz', ['relgroup', 'dbgroup'])).toBeNull();
});
