import { expect, test } from 'vitest';
import type { DaemonId, LeaseFacts } from '../control/lease.ts';
import type { SyncId } from '../model/topology.ts';
import { planShare, type ShareFacts } from './lease-share.ts';

const daemon = (name: string): DaemonId => name as DaemonId;
const all = (names: string): DaemonId[] => names.split('').map(daemon);

/** `free('a')`, `held('b', 'X')`: the lease of sync b is held by daemon X. */
const lease = (sync: string, holder: string | null, isAtWork = true): LeaseFacts => ({
  syncId: sync as SyncId,
  isAtWork,
  holder: holder === null ? null : daemon(holder),
  predecessor: null,
  endsInMs: holder === null ? null : 5_000,
});

const share = (
  leases: readonly LeaseFacts[],
  facts: Partial<ShareFacts> = {},
): { take: string[]; give: string[] } => {
  const never = (): boolean => false;
  const plan = planShare({
    self: daemon('X'),
    daemons: all('X'),
    leases,
    isGiven: never,
    isBusy: never,
    ...facts,
  });
  return { take: plan.take.map(({ syncId }) => syncId), give: [...plan.give] };
};

const four = (holders: string): LeaseFacts[] =>
  holders
    .split('')
    .map((holder, index) => lease('abcdefghijkl'[index] ?? '', holder === '-' ? null : holder));

test('one daemon takes everything', () => {
  expect(share(four('----'))).toEqual({ take: ['a', 'b', 'c', 'd'], give: [] });
});

test('two daemons take half each, whoever comes first', () => {
  expect(share(four('----'), { daemons: all('XY') })).toEqual({ take: ['a', 'b'], give: [] });
  expect(share(four('YY--'), { daemons: all('XY') })).toEqual({ take: ['c', 'd'], give: [] });
});

test('what is live is never taken', () => {
  expect(share(four('YYYY'), { daemons: all('XY') })).toEqual({ take: [], give: [] });
});

test('a daemon gives back what is above its share when another one comes', () => {
  expect(share(four('XXXX'), { daemons: all('XY') })).toEqual({ take: [], give: ['c', 'd'] });
  expect(share(four('XXXX'), { daemons: all('XYZ') })).toEqual({ take: [], give: ['c', 'd'] });
});

test('what is on its way back is not given again, nor taken', () => {
  const isGiven = (sync: SyncId): boolean => ['c', 'd'].includes(sync);
  expect(share(four('XXXX'), { daemons: all('XY'), isGiven })).toEqual({ take: [], give: [] });
  expect(share(four('XX--'), { daemons: all('XY'), isGiven })).toEqual({ take: [], give: [] });
});

test('one that is in the middle of something long is kept', () => {
  const isBusy = (sync: SyncId): boolean => sync !== 'b';
  expect(share(four('XXXX'), { daemons: all('XY'), isBusy })).toEqual({ take: [], give: ['b'] });
});

test('with more daemons than syncs the others stand by', () => {
  expect(share(four('Y'), { daemons: all('XY') })).toEqual({ take: [], give: [] });
});

test('syncs that rest are shared out by themselves', () => {
  const leases = [lease('a', null), lease('b', null), lease('r', null, false), lease('s', 'X', false)];
  expect(share(leases, { daemons: all('XY') })).toEqual({ take: ['a'], give: [] });
});

test('a daemon that is about to leave takes nothing', () => {
  expect(share(four('X---'), { daemons: all('Y') })).toEqual({ take: [], give: [] });
});

/** Seen to fail: with the share rounded down (`Math.floor`) syncs stay free for ever. */
test.each([1, 2, 3, 4, 5, 7, 11].flatMap((syncs) => [1, 2, 3, 4].map((daemons) => ({ syncs, daemons }))))(
  '$syncs syncs come to rest on $daemons daemons, wherever they were, and nothing is free',
  ({ syncs, daemons }) => {
    const names = ['X', 'Y', 'Z', 'W'].slice(0, daemons);
    const holders: (string | null)[] = Array.from({ length: syncs }, (_, index) =>
      index % 3 === 0 ? null : (names[(index * index) % daemons] ?? null),
    );
    const step = (self: string): number => {
      const leases = holders.map((holder, index) => lease(String(index), holder));
      const { take, give } = share(leases, { self: daemon(self), daemons: all(names.join('')) });
      for (const sync of give) holders[Number(sync)] = null;
      for (const sync of take) holders[Number(sync)] = self;
      return take.length + give.length;
    };
    for (let lap = 0; lap < 4; lap += 1) names.forEach(step);
    expect(
      names.map(step).reduce((sum, moves) => sum + moves, 0),
      'nothing moves any more',
    ).toBe(0);
    const counts = names.map((name) => holders.filter((holder) => holder === name).length);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(syncs);
    expect(Math.max(...counts)).toBeLessThanOrEqual(Math.ceil(syncs / daemons));
  },
);
