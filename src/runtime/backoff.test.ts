import { expect, test } from 'vitest';
import { createBackoff } from './backoff.ts';

test('the limit doubles up to the last one, and starts again after a success', () => {
  const backoff = createBackoff({ firstMs: 100, lastMs: 500, random: () => 0.999_999 });
  expect([backoff.next(), backoff.next(), backoff.next(), backoff.next(), backoff.next()]).toEqual([
    100, 200, 400, 500, 500,
  ]);
  backoff.reset();
  expect(backoff.next()).toBe(100);
});

test('the wait is anything from nothing to the limit', () => {
  let chance = 0;
  const backoff = createBackoff({ firstMs: 100, lastMs: 100, random: () => chance });
  expect(backoff.next()).toBe(0);
  chance = 0.5;
  expect(backoff.next()).toBe(50);
});

test('a first limit above the last one is cut', () => {
  expect(createBackoff({ firstMs: 900, lastMs: 300, random: () => 0.999_999 }).next()).toBe(300);
});
