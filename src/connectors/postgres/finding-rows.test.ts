import { expect, test } from 'vitest';
import { chooseFinding } from './finding-rows.ts';

test.each([
  { changes: 10_000, rows: 40_001, correlation: 1, way: 'lookups' },
  { changes: 10_000, rows: 40_000, correlation: 1, way: 'merge' },
  { changes: 10_000, rows: 0, correlation: 1, way: 'merge' },
  { changes: 10_000, rows: 40_000, correlation: -0.95, way: 'merge' },
  { changes: 10_000, rows: 40_000, correlation: 0.5, way: 'hash' },
  { changes: 10_000, rows: 40_000, correlation: null, way: 'hash' },
])('$changes changes in $rows rows that lie in order by $correlation: $way', (example) => {
  const { changes, rows, correlation, way } = example;
  expect(chooseFinding(changes, { rowCount: rows, correlation })).toBe(way);
});
