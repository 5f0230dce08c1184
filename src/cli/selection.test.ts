import { expect, test } from 'vitest';
import { filter, select } from './selection.ts';

const existing = ['shop', 'shop2', 'stock'].map((name) => ({ name }));
const selection = (...words: string[]) => ({
  kind: 'sync',
  listing: 'syncs',
  words,
  existing,
  nameOf: ({ name }: { name: string }) => name,
});
const names = (...words: string[]): string[] => select(selection(...words)).map(({ name }) => name);

test('names, lists, wildcards and all choose, each thing once', () => {
  expect(names('stock,shop')).toEqual(['stock', 'shop']);
  expect(names('shop', 'sh*')).toEqual(['shop', 'shop2']);
  expect(names('all')).toEqual(['shop', 'shop2', 'stock']);
});

test('a word that finds nothing is an error, with the nearest name', () => {
  expect(() => names('shop', 'sotck')).toThrow('There is no sync named "sotck". Did you mean "stock"?');
  expect(() => names('x*')).toThrow('No sync matches "x*".');
});

test('no words are an error where something is changed, and mean all in a list', () => {
  expect(() => names()).toThrow('No sync is named.');
  expect(filter(selection())).toHaveLength(3);
  expect(filter(selection('nothing'))).toEqual([]);
});
