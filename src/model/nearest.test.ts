import { expect, test } from 'vitest';
import { didYouMean, nearest } from './nearest.ts';

const known = ['host', 'hostaddr', 'port', 'dbname', 'sslmode'];

test.each([
  ['hots', 'host'],
  ['hostadr', 'hostaddr'],
  ['SSLMODE', 'sslmode'],
  ['dbnam', 'dbname'],
  ['pot', 'port'],
  ['banana', null],
  ['x', null],
])('%j is taken for %j', (word, meant) => {
  expect(nearest(word, known)).toBe(meant);
});

test('nothing is suggested where nothing is near', () => {
  expect(didYouMean('banana', known)).toBe('');
  expect(didYouMean('hots', known)).toBe(' Did you mean "host"?');
});
