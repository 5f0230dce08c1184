import { expect, test } from 'vitest';
import { nextSegment } from './segments.ts';

const young = 1_000;
const old = 61_000;
const large = 17 * 1024 * 1024;

test('writers stay while the segment is small and young, or empty', () => {
  expect(nextSegment([8192, 0, 0, 0], { segment: 0, ageMs: young })).toBeNull();
  expect(nextSegment([0, 0, 0, 0], { segment: 0, ageMs: old })).toBeNull();
});

test('writers leave a segment that is large, or old and not empty', () => {
  expect(nextSegment([large, 0, 0, 0], { segment: 0, ageMs: young })).toBe(1);
  expect(nextSegment([0, 0, 0, 8192], { segment: 3, ageMs: old })).toBe(0);
});

test('writers move only to an empty segment', () => {
  expect(nextSegment([large, 8192, 0, 0], { segment: 0, ageMs: old })).toBe(2);
  expect(nextSegment([large, 8192, 8192, 8192], { segment: 0, ageMs: old })).toBeNull();
});
