import { expect, test } from 'vitest';
import { isServed } from './position.ts';

test('a position at or after the floor is served', () => {
  expect(isServed('10:20:15', '10:20:15')).toBe(true);
  expect(isServed('30:40:35', '10:20:15')).toBe(true);
});

test('a position before the floor is a gap', () => {
  expect(isServed('10:19:', '10:20:')).toBe(false);
});

test('a position that has not seen a transaction which the floor sees is a gap', () => {
  expect(isServed('15:20:15', '20:20:')).toBe(false);
  expect(isServed('12:25:12,15', '10:20:15')).toBe(false);
});

test('a transaction that is open for the floor too may be open for the position', () => {
  expect(isServed('15:30:15,25', '15:20:15')).toBe(true);
});
