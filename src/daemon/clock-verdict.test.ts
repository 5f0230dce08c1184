import { expect, test } from 'vitest';
import { correctionFor, isAlarming, leadOver, measureLead } from './clock-verdict.ts';

/** Answers come after these many milliseconds, half of them before the clock is read; it is ahead by 7 seconds. */
const askAfter = (...delaysMs: readonly number[]) => {
  let now = 1_000;
  let asked = 0;
  return {
    clock: { elapsed: () => now },
    ask: async () => {
      const delayMs = delaysMs[asked++ % delaysMs.length] ?? 0;
      now += delayMs / 2;
      const time = now + 7_000;
      now += delayMs / 2;
      return time;
    },
  };
};

test('of several answers the one that came soonest counts', async () => {
  const { clock, ask } = askAfter(80, 4, 200, 60, 10);
  expect(await measureLead(ask, clock)).toEqual({ aheadMs: 7_000, errorMs: 2 });
});

test('of two clocks the difference counts, with the errors of both', () => {
  expect(leadOver({ aheadMs: 7_000, errorMs: 2 }, { aheadMs: 6_900, errorMs: 5 })).toEqual({
    aheadMs: 100,
    errorMs: 7,
  });
});

test.each([
  [0, 60, 1, null],
  [0, 101, 1, 101],
  [0, -5_000, 1, -5_000],
  [0, 250, 100, null],
  [5_000, 5_080, 1, null],
  [5_000, 5_200, 1, 5_200],
  [5_000, 20, 1, 0],
  [-300, -40, 1, 0],
])('corrected by %i, and %i ahead now (±%i): %s', (correctedMs, aheadMs, errorMs, expected) => {
  expect(correctionFor(correctedMs, { aheadMs, errorMs })).toBe(expected);
});

test('a difference is alarming only as far as it is known', () => {
  expect(isAlarming({ aheadMs: 1_200, errorMs: 10 })).toBe(true);
  expect(isAlarming({ aheadMs: -1_200, errorMs: 10 })).toBe(true);
  expect(isAlarming({ aheadMs: 1_200, errorMs: 400 })).toBe(false);
});
