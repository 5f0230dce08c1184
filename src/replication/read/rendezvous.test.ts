import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Comer, type Meeting, Rendezvous } from './rendezvous.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

type Came = Meeting<string, string>;
type Comers = Comer<string, string>;

const place = (): Rendezvous<string, string, string> => new Rendezvous(() => performance.now());

/** Who leads, and whom. */
const told = (meeting: Came): unknown =>
  meeting.kind === 'leads' ? meeting.guests.map(({ party }) => party) : 'follows';

const meetAll = async (comers: Readonly<Record<string, Comers>>, position = 'here'): Promise<unknown[]> => {
  const meetings = Object.entries(comers).map(([party, comer]) => comer.meet(position, party));
  return (await Promise.all(meetings)).map(told);
};

// Another one has begun before it, and is to read what is there from then on.
test('the one that has begun last leads, whoever comes first', async () => {
  const rounds = place();
  const [b, c, d] = [rounds.enter('b'), rounds.enter('c'), rounds.enter('d')];
  expect(await meetAll({ d, b, c })).toEqual([['c', 'b'], 'follows', 'follows']);
});

test('guests hear what was read for them', async () => {
  const rounds = place();
  const [b, c] = [rounds.enter('b'), rounds.enter('c')];
  const [follower, leader] = await Promise.all([b.meet('here', 'b'), c.meet('here', 'c')]);
  if (leader.kind !== 'leads' || follower.kind !== 'follows') throw new Error('the other way round');
  leader.guests[0]?.answer(Promise.resolve('rows'));
  expect(await follower.reading).toBe('rows');
});

test('one that stands elsewhere reads for itself', async () => {
  const rounds = place();
  const [b, c, d] = [rounds.enter('b'), rounds.enter('c'), rounds.enter('d')];
  const elsewhere = d.meet('elsewhere', 'd');
  expect(await meetAll({ b, c })).toEqual(['follows', ['b']]);
  expect(told(await elsewhere)).toEqual([]);
});

test('one that passes by is not waited for', async () => {
  const rounds = place();
  const [b, c] = [rounds.enter('b'), rounds.enter('c')];
  const meeting = b.meet('here', 'b');
  c[Symbol.dispose]();
  expect(told(await meeting)).toEqual([]);
});

test('one that takes long is not waited for, and reads for itself', async () => {
  const rounds = place();
  const [b, c] = [rounds.enter('b'), rounds.enter('c')];
  const meeting = b.meet('here', 'b');
  await vi.advanceTimersByTimeAsync(300);
  expect(told(await meeting)).toEqual([]);
  expect(told(await c.meet('here', 'c'))).toEqual([]);
});

test('one that was too slow reads for itself for ten minutes', async () => {
  const rounds = place();
  rounds.part('c');
  expect(await meetAll({ b: rounds.enter('b'), c: rounds.enter('c') })).toEqual([[], []]);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(await meetAll({ b: rounds.enter('b'), c: rounds.enter('c') })).toEqual(['follows', ['b']]);
});
