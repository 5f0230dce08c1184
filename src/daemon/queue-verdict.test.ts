import { expect, test } from 'vitest';
import { judgeQueue } from './queue-verdict.ts';

const long = { bytes: 5_000, ageMs: 60_000, isReleased: false };
const away = { isAbsent: true, isReplaceable: true };

test.each([
  [{ bytes: null, ageMs: 90_000 }, 'nothing'],
  [{ bytes: 9_000, ageMs: null }, 'nothing'],
  [{ bytes: null, ageMs: 30_000 }, 'warn'],
  [{ bytes: 4_000, ageMs: null }, 'warn'],
  [{ bytes: 4_000, ageMs: 90_000 }, 'warn'],
] as const)('either limit counts: %o, %s', (limit, expected) => {
  expect(judgeQueue(long, { ...limit, policy: 'warn' }, away)).toBe(expected);
});

const limit = { bytes: null, ageMs: 30_000 };

test('where nothing waits there is no queue, whatever the files take', () => {
  expect(judgeQueue({ ...long, ageMs: 0 }, { bytes: 1, ageMs: null, policy: 'warn' }, away)).toBe('nothing');
});

test('what is kept is given up only for a database that is away and can be copied to', () => {
  expect(judgeQueue(long, { ...limit, policy: 'release' }, away)).toBe('release');
  expect(judgeQueue(long, { ...limit, policy: 'release' }, { ...away, isAbsent: false })).toBe('warn');
  expect(judgeQueue(long, { ...limit, policy: 'release' }, { ...away, isReplaceable: false })).toBe('warn');
});

test('by keep nothing is done, and what was given up is told until it is made up for', () => {
  expect(judgeQueue(long, { ...limit, policy: 'keep' }, away)).toBe('nothing');
  expect(judgeQueue({ ...long, isReleased: true }, { ...limit, policy: 'keep' }, away)).toBe('released');
});
