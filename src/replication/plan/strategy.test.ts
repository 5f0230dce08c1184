import { describe, expect, it } from 'vitest';
import { isReplicationError } from '../../model/errors.ts';
import type { DatabaseId, DatabaseName } from '../../model/topology.ts';
import type { RowVersion } from './arbitrate.ts';
import { type Circumstances, formatStrategy, parseStrategy, preferenceOf } from './strategy.ts';

const names = ['A', 'B', 'C'] as DatabaseName[];

const version = (index: number, atMicros: number, xid = 1): RowVersion => ({
  origin: (index + 1) as DatabaseId,
  originName: names[index] as DatabaseName,
  xid: BigInt(xid),
  atMicros: BigInt(atMicros),
});

const [olderOfA, newerOfB] = [version(0, 10), version(1, 20)];

const unknown = (): bigint | null => null;
const times =
  (...list: (number | null)[]) =>
  (origin: DatabaseId): bigint | null => {
    const at = list[origin - 1] ?? null;
    return at === null ? null : BigInt(at);
  };

const winner = (text: string, circumstances: Partial<Circumstances> = {}): DatabaseName => {
  const prefers = preferenceOf(parseStrategy(text, names), {
    sources: names,
    key: '1',
    newestAt: { inTable: unknown, inSync: unknown },
    ...circumstances,
  });
  expect(prefers(olderOfA, newerOfB)).toBe(!prefers(newerOfB, olderOfA));
  return (prefers(olderOfA, newerOfB) ? olderOfA : newerOfB).originName;
};

describe('a strategy', () => {
  it('of the latest row looks at the change itself', () => {
    expect(winner('bucardo_latest')).toBe('B');
  });

  it('of the latest table looks at the newest change of the table on each database', () => {
    const newestAt = { inTable: times(99, 50), inSync: times(1, 2) };
    expect(winner('bucardo_latest_table', { newestAt })).toBe('A');
    expect(winner('bucardo_latest_table', { newestAt: { inTable: times(null, 50), inSync: unknown } })).toBe(
      'B',
    );
  });

  it('of the latest over all tables looks at the newest change of the sync on each database', () => {
    const newestAt = { inTable: times(1, 2), inSync: times(99, 50) };
    expect(winner('bucardo_latest_all_tables', { newestAt })).toBe('A');
  });

  it('of the source prefers the first source, of the target the last', () => {
    expect(winner('bucardo_source')).toBe('A');
    expect(winner('bucardo_target')).toBe('B');
  });

  it('of a list goes by its order', () => {
    expect(winner('A B C')).toBe('A');
    expect(winner('C, B')).toBe('B');
  });

  it('that is random gives every row its own order, and the same one wherever it is asked', () => {
    const keys = Array.from({ length: 64 }, (_, index) => String(index));
    const winners = keys.map((key) => winner('bucardo_random', { key }));
    expect(new Set(winners)).toEqual(new Set(['A', 'B']));
    expect(keys.map((key) => winner('bucardo_random', { key }))).toEqual(winners);
  });
});

describe('parseStrategy', () => {
  const codeOf = (text: string): string => {
    try {
      parseStrategy(text, names);
      return '';
    } catch (error) {
      return isReplicationError(error) ? error.code : 'other';
    }
  };

  it('knows every strategy with and without the prefix, and stores one name', () => {
    for (const name of [
      'latest',
      'latest_table',
      'latest_all_tables',
      'source',
      'target',
      'random',
      'skip',
      'abort',
    ]) {
      expect(formatStrategy(parseStrategy(name, names))).toBe(`bucardo_${name}`);
      expect(formatStrategy(parseStrategy(`bucardo_${name}`, names))).toBe(`bucardo_${name}`);
    }
    expect(formatStrategy(parseStrategy('default', names))).toBe('bucardo_latest');
  });

  it('refuses a word that is neither a strategy nor a source', () => {
    expect(codeOf('bucardo_newest')).toBe('usage');
    expect(codeOf('A D')).toBe('usage');
    expect(codeOf('')).toBe('usage');
  });

  it('refuses a list that leaves a pair undecided; the last source may be left out', () => {
    expect(codeOf('A')).toBe('usage');
    expect(codeOf('A A')).toBe('usage');
    expect(codeOf('A C')).toBe('');
  });
});
