import { expect, test } from 'vitest';
import { nextCopyAt } from './due.ts';

const hourMs = 3_600_000;
const noon = new Date(2026, 4, 5, 12).getTime();
const three = (day: number): number => new Date(2026, 4, day, 3).getTime();
const never = { checktimeMs: null, cron: null, cronSince: null };
const nightly = { ...never, cron: '0 3 * * *', cronSince: noon };

test('a copy without a time waits for somebody to ask', () => {
  expect(nextCopyAt(never, null)).toBeNull();
  expect(nextCopyAt(never, noon)).toBeNull();
});

test('by the interval the first copy is due at once, and the next so long after the last', () => {
  expect(nextCopyAt({ ...never, checktimeMs: hourMs }, null)).toBeLessThan(noon);
  expect(nextCopyAt({ ...never, checktimeMs: hourMs }, noon)).toBe(noon + hourMs);
});

test('by cron the first copy waits for its time', () => {
  expect(nextCopyAt(nightly, null)).toBe(three(6));
});

test('a time that passed without a daemon is due now', () => {
  expect(nextCopyAt(nightly, three(6))).toBe(three(7));
  expect(nextCopyAt({ ...nightly, cronSince: three(1) }, three(2))).toBe(three(3));
});

test('times before the expression was given do not count', () => {
  expect(nextCopyAt(nightly, three(1))).toBe(three(6));
});

test('of an interval and an expression the earlier counts', () => {
  expect(nextCopyAt({ ...nightly, checktimeMs: hourMs }, noon)).toBe(noon + hourMs);
  expect(nextCopyAt({ ...nightly, checktimeMs: 100 * hourMs }, noon)).toBe(three(6));
});
