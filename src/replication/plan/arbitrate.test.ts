import { describe, expect, it } from 'vitest';
import type { DatabaseId, DatabaseName } from '../../model/topology.ts';
import { arbitrate, type Candidate } from './arbitrate.ts';
import { parseStrategy, preferenceOf } from './strategy.ts';

const ids = { A: 1 as DatabaseId, B: 2 as DatabaseId, C: 3 as DatabaseId };
type Name = keyof typeof ids;
const names = ['A', 'B', 'C'] as DatabaseName[];

const candidate = (holder: Name, origin: Name, atMicros: number, ...knownBy: Name[]): Candidate => ({
  holder: ids[holder],
  isOpen: false,
  version: {
    origin: ids[origin],
    originName: origin as DatabaseName,
    xid: BigInt(atMicros),
    atMicros: BigInt(atMicros),
  },
  knownBy: new Set([holder, ...knownBy].map((name) => ids[name])),
});

const preferenceBy = (text: string) =>
  preferenceOf(parseStrategy(text, names), {
    sources: names,
    key: '1',
    newestAt: { inTable: () => null, inSync: () => null },
  });
const latest = preferenceBy('bucardo_latest');

describe('arbitrate', () => {
  it('lets the later of two changes win and names the other as lost', () => {
    const verdict = arbitrate([candidate('A', 'A', 10), candidate('B', 'B', 20)], latest);
    expect(verdict.winner.holder).toBe(ids.B);
    expect(verdict.losers.map(({ holder }) => holder)).toEqual([ids.A]);
    expect(verdict.contenders).toHaveLength(2);
  });

  // Fails when knowledge counts for nothing (npm run mutate).
  it('sees no conflict in a change that was made with knowledge of the other, even if its clock says earlier', () => {
    const verdict = arbitrate([candidate('A', 'A', 20, 'B'), candidate('B', 'B', 10)], latest);
    expect(verdict.winner.holder).toBe(ids.B);
    expect(verdict.losers).toEqual([]);
    expect(verdict.contenders).toHaveLength(1);
  });

  // Fails when the name does not break a tie (npm run mutate).
  it('breaks a tie by the name of the database', () => {
    const verdict = arbitrate([candidate('B', 'B', 10), candidate('A', 'A', 10)], latest);
    expect(verdict.winner.holder).toBe(ids.A);
  });

  it('lets the first listed database win, and only among those whose version contends', () => {
    const verdict = arbitrate([candidate('A', 'A', 20), candidate('B', 'B', 10)], preferenceBy('C B A'));
    expect(verdict.winner.holder).toBe(ids.B);
  });

  it('counts a version that several databases hold as one', () => {
    const verdict = arbitrate([candidate('A', 'A', 10), candidate('B', 'A', 10)], latest);
    expect(verdict.losers).toEqual([]);
    expect(verdict.contenders).toHaveLength(1);
  });

  it('drops a version that one of three has superseded, and decides between the other two', () => {
    const verdict = arbitrate(
      [candidate('A', 'A', 10, 'B'), candidate('B', 'B', 20), candidate('C', 'C', 30)],
      latest,
    );
    expect(verdict.winner.holder).toBe(ids.C);
    expect(verdict.losers.map(({ holder }) => holder)).toEqual([ids.B]);
  });

  it('does not take a version for the later one that its holder has merely kept beside the other', () => {
    const kept = { ...candidate('B', 'B', 20), isOpen: true };
    const verdict = arbitrate([candidate('A', 'A', 10, 'B'), kept], latest);
    expect(verdict.contenders).toHaveLength(2);
  });

  it('chooses again between versions that know each other, and records no loss a second time', () => {
    const verdict = arbitrate([candidate('A', 'A', 10, 'B'), candidate('B', 'B', 20, 'A')], latest);
    expect(verdict.winner.holder).toBe(ids.B);
    expect(verdict.losers).toEqual([]);
    expect(verdict.contenders).toHaveLength(2);
  });
});
