import { expect, test } from 'vitest';
import type { DatabaseId } from '../model/topology.ts';
import { type Claim, RoundGate } from './round-gate.ts';

const never = new AbortController().signal;
const [a, b, c] = [1, 2, 3] as DatabaseId[] as [DatabaseId, DatabaseId, DatabaseId];
const from = (read: DatabaseId, written: DatabaseId): Claim => ({ read: [read], written: [written] });

/** True when the round is let in by what has happened so far. */
const isIn = (entering: Promise<Disposable | null>): Promise<boolean> =>
  Promise.race([entering.then(() => true), new Promise<boolean>((resolve) => setTimeout(resolve, 5, false))]);

test('a slow target does not take all places of its source', async () => {
  const gate = new RoundGate();
  const slow = Array.from({ length: 6 }, () => gate.enter(from(a, b), never));
  expect(await Promise.all(slow.map(isIn))).toEqual([true, true, true, false, false, false]);
  expect(await isIn(gate.enter(from(a, c), never))).toBe(false);
});

test('a place that is given back goes to the one who came first', async () => {
  const gate = new RoundGate();
  const inside = await Promise.all([1, 2, 3].map(() => gate.enter(from(a, b), never)));
  const [first, second] = [gate.enter(from(a, b), never), gate.enter(from(a, b), never)];
  expect(await isIn(first)).toBe(false);
  inside[0]?.[Symbol.dispose]();
  expect(await isIn(first)).toBe(true);
  expect(await isIn(second)).toBe(false);
});

test('rounds that use other databases are not held up', async () => {
  const gate = new RoundGate();
  for (let count = 0; count < 4; count += 1) void gate.enter(from(a, b), never);
  expect(await isIn(gate.enter(from(c, a), never))).toBe(true);
});

test('whoever gives up waiting takes no place', async () => {
  const gate = new RoundGate();
  const inside = await Promise.all([1, 2, 3].map(() => gate.enter(from(a, b), never)));
  const leaving = new AbortController();
  const left = gate.enter(from(a, b), leaving.signal);
  leaving.abort();
  expect(await left).toBeNull();
  inside[0]?.[Symbol.dispose]();
  expect(await isIn(gate.enter(from(a, b), never))).toBe(true);
});
