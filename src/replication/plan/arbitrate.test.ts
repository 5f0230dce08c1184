import { describe, expect, it } from 'vitest';
import type { DatabaseId, DatabaseName } from '../../model/topology.ts';
import { arbitrate, type Candidate } from './arbitrate.ts';
import { parseStrategy, type Strategy } from './strategy.ts';

const ids = { A: 1 as DatabaseId, B: 2 as DatabaseId, C: 3 as DatabaseId };
type Name = keyof typeof ids;

const candidate = (holder: Name, origin: Name, atMicros: number, ...knownBy: Name[]): Candidate => ({
  holder: ids[holder],
  version: {
    origin: ids[origin],
    originName: origin as DatabaseName,
    xid: BigInt(atMicros),
    atMicros: BigInt(atMicros),
  },
  knownBy: new Set([holder, ...knownBy].map((name) => ids[name])),
});

const names = ['A', 'B', 'C'] as DatabaseName[];
const latest: Strategy = { kind: 'latest' };

describe('arbitrate', () => {
  it('lets the later of two changes win and names the other as lost', () => {
    const verdict = arbitrate([candidate('A', 'A', 10), candidate('B', 'B', 20)], latest);
    expect(verdict.winner.holder).toBe(ids.B);
    expect(verdict.losers.map(({ holder }) => holder)).toEqual([ids.A]);
  });

  it('sees no conflict in a change that was made with knowledge of the other, even if its clock says earlier', () => {
    const verdict = arbitrate([candidate('A', 'A', 20, 'B'), candidate('B', 'B', 10)], latest);
    expect(verdict.winner.holder).toBe(ids.B);
    expect(verdict.losers).toEqual([]);
  });

  it('breaks a tie by the name of the database', () => {
    const verdict = arbitrate([candidate('B', 'B', 10), candidate('A', 'A', 10)], latest);
    expect(verdict.winner.holder).toBe(ids.A);
  });

  it('lets the first listed database win, and only among those that hold a contending version', () => {
    const strategy = parseStrategy('C B A', names);
    expect(arbitrate([candidate('A', 'A', 20), candidate('B', 'B', 10)], strategy).winner.holder).toBe(ids.B);
  });

  it('counts a version that several databases hold as one', () => {
    const verdict = arbitrate([candidate('A', 'A', 10), candidate('B', 'A', 10)], latest);
    expect(verdict.losers).toEqual([]);
  });
});

describe('parseStrategy', () => {
  it('refuses a word that is neither a strategy nor a source, and says which words are', () => {
    expect(() => parseStrategy('bucardo_newest', names)).toThrow(
      /"bucardo_newest".*neither a strategy nor a source/,
    );
  });
});
