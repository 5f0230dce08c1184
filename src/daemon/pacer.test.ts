import { expect, test } from 'vitest';
import { systemClock } from '../runtime/clock.ts';
import { Pacer } from './pacer.ts';
import { nextRoundAt, restAfter } from './schedule.ts';

const never = new AbortController().signal;
const quiet = { isWanted: false, isUrgent: false, block: { kind: 'none' } } as const;

test('a lane runs when it is wanted, and not before', () => {
  expect(nextRoundAt(quiet, 100)).toBeNull();
  expect(nextRoundAt({ ...quiet, isWanted: true }, 100)).toBe(100);
});

test('after a failure a lane runs at its time, wanted or not', () => {
  const block = { kind: 'until', at: 150 } as const;
  expect(nextRoundAt({ ...quiet, block }, 100)).toBe(150);
  expect(nextRoundAt({ ...quiet, isWanted: true, block }, 100)).toBe(150);
  expect(nextRoundAt({ ...quiet, block }, 200)).toBe(200);
});

test('while a database is away changes start nothing, and a hurry does', () => {
  const block = { kind: 'told' } as const;
  expect(nextRoundAt({ ...quiet, isWanted: true, block }, 100)).toBeNull();
  expect(nextRoundAt({ ...quiet, isUrgent: true, block }, 100)).toBe(100);
});

test('a lane that rests runs when it is wanted, and not before its rest is over', () => {
  const block = { kind: 'rest', until: 150 } as const;
  expect(nextRoundAt({ ...quiet, block }, 200)).toBeNull();
  expect(nextRoundAt({ ...quiet, isWanted: true, block }, 100)).toBe(150);
  expect(nextRoundAt({ ...quiet, isWanted: true, block }, 200)).toBe(200);
  expect(nextRoundAt({ ...quiet, isUrgent: true, block }, 100)).toBe(100);
});

test('a lane rests under load, and goes on at once where single changes come', () => {
  expect(restAfter({ rowCount: 1, tookMs: 8 })).toBe(0);
  expect(restAfter({ rowCount: 40, tookMs: 8 })).toBe(24);
  expect(restAfter({ rowCount: 300_000, tookMs: 3_000 })).toBe(50);
});

test('the first turn comes by itself', async () => {
  expect(await new Pacer(systemClock, true).next(never)).toMatchObject({ isKicked: false });
});

test('many calls during a turn make one more turn', async () => {
  const pacer = new Pacer(systemClock, true);
  await pacer.next(never);
  pacer.wake();
  pacer.wake();
  await pacer.next(never);
  const stop = new AbortController();
  const third = pacer.next(stop.signal);
  stop.abort();
  expect(await third).toBeNull();
});

test('a kick during a turn is answered by the next one', async () => {
  const pacer = new Pacer(systemClock, true);
  const first = await pacer.next(never);
  const answer = pacer.kick();
  first?.answer('of the first');
  const second = await pacer.next(never);
  expect(second?.isKicked).toBe(true);
  second?.answer('of the second');
  expect(await answer).toBe('of the second');
});

test('who waits when the lane ends is told', async () => {
  const pacer = new Pacer(systemClock, true);
  const answer = pacer.kick();
  pacer.end('over');
  expect(await answer).toBe('over');
});
