import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Patience } from './patience.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const never = new Promise(() => undefined);
const done = Promise.resolve();
const after = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** What a wait returns, and after how long. */
const timed = async <T>(waiting: Promise<T>): Promise<[T, number]> => {
  const from = performance.now();
  const taken = waiting.then((value): [T, number] => [value, Math.round(performance.now() - from)]);
  await vi.runAllTimersAsync();
  return taken;
};

test('all are waited for that do their part soon', async () => {
  const parts = new Map([
    ['a', done],
    ['b', after(2_000)],
    ['c', after(2_500)],
  ]);
  expect(await timed(new Patience<string>().wait(parts, 3))).toEqual([[], 2_500]);
});

test('who keeps the others waiting is given up', async () => {
  const parts = new Map<string, Promise<unknown>>([
    ['a', done],
    ['b', never],
    ['c', done],
  ]);
  const [givenUp, tookMs] = await timed(new Patience<string>().wait(parts, 3));
  expect(givenUp).toEqual(['b']);
  // Three seconds, and as much again, of which half has come in addition.
  expect(tookMs).toBe(6_000);
});

test('nobody waits for anybody while most have something to do', async () => {
  const parts = new Map<string, Promise<unknown>>([
    ['a', after(60_000)],
    ['b', after(61_000)],
    ['c', done],
  ]);
  expect(await timed(new Patience<string>().wait(parts, 3))).toEqual([[], 61_000]);
});

test('two slow ones among four are given up', async () => {
  const parts = new Map<string, Promise<unknown>>([
    ['a', never],
    ['b', never],
    ['c', done],
    ['d', done],
  ]);
  const [givenUp, tookMs] = await timed(new Patience<string>().wait(parts, 4));
  expect(givenUp.toSorted()).toEqual(['a', 'b']);
  expect(tookMs).toBeLessThan(7_000);
});

test.each([
  { what: 'a third slower', slowerMs: 50, isKept: true },
  { what: 'three times as slow', slowerMs: 200, isKept: false },
])('for a long time together: $what', async ({ slowerMs, isKept }) => {
  const patience = new Patience<string>();
  let givenUp: string[] = [];
  const works = async (): Promise<void> => {
    for (let step = 0; step < 1_000 && givenUp.length === 0; step += 1) {
      const parts = new Map([
        ['fast', after(100)],
        ['slow', after(100 + slowerMs)],
      ]);
      givenUp = await patience.wait(parts, 2);
    }
  };
  await timed(works());
  expect(givenUp).toEqual(isKept ? [] : ['slow']);
});
