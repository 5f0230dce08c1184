import { expect, test } from 'vitest';
import { formatDuration } from './amounts.ts';
import { factLines, textTable } from './text-table.ts';

test('cells are aligned under their titles and numbers to the right', () => {
  const table = textTable(
    [{ title: 'Name' }, { title: 'Rows', align: 'right' }],
    [
      ['orders', '12'],
      ['a', '3,456'],
    ],
  );
  expect(table.split('\n')).toEqual([
    ' Name   |  Rows',
    '========+=======',
    ' orders |    12',
    ' a      | 3,456',
  ]);
});

test('facts without a value are left out', () => {
  expect(
    factLines([
      ['a', '1'],
      ['long', null],
      ['key', '2'],
    ]),
  ).toEqual(['a   : 1', 'key : 2']);
});

test.each([
  [0, '0.0s'],
  [1234, '1.2s'],
  [61_000, '1m 1s'],
  [3_600_000, '1h'],
  [90_061_000, '1d 1h 1m 1s'],
])('%d ms is %s', (ms, expected) => {
  expect(formatDuration(ms)).toBe(expected);
});
