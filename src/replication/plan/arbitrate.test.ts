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

// --- Two sources that write while rounds run, in random order, with commits that succeed on one side only ------------

interface Change {
  readonly origin: 0 | 1;
  readonly index: number;
  readonly at: number;
  readonly past: ReadonlySet<Change>;
}

interface Relayed {
  readonly version: Change;
  /** How many of its own changes the database saw when it decided. */
  readonly decided: number;
}

interface Side {
  readonly own: Change[];
  readonly relayed: Relayed[];
  row: Change | null;
  /** How many of the other side's changes it knows. */
  knows: number;
}

const liveFrom = (side: Side, since: number): Change[] => {
  const hidden = side.relayed.at(-1)?.decided ?? 0;
  return side.own.filter(({ index }) => index >= Math.max(since, hidden));
};

const label = (changes: readonly Change[]): Change =>
  changes.reduce((best, change) => (change.at > best.at ? change : best));

const snapshotOf = (side: Side): Side => ({ ...side, own: [...side.own], relayed: [...side.relayed] });

/** A small, fast generator (mulberry32), so that a failing seed replays. */
const randomFrom = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
};

interface Result {
  readonly hasDiverged: boolean;
  /** A row went back to a version that its maker had known. */
  readonly hasGoneBack: boolean;
  readonly lost: readonly Change[];
  readonly trace: readonly string[];
}

const simulate = (seed: number, strategy: Strategy): Result => {
  const random = randomFrom(seed);
  const sides: [Side, Side] = [
    { own: [], relayed: [], row: null, knows: 0 },
    { own: [], relayed: [], row: null, knows: 0 },
  ];
  const recorded = new Set<Change>();
  const trace: string[] = [];
  let clock = 0;
  let hasGoneBack = false;
  const write = (origin: 0 | 1): void => {
    const side = sides[origin];
    clock += 1;
    const at = random() < 0.8 ? clock : Math.max(0, clock - Math.floor(random() * 4));
    const past = side.row === null ? new Set<Change>() : new Set([...side.row.past, side.row]);
    const change = { origin, index: side.own.length, at, past };
    side.own.push(change);
    side.row = change;
    trace.push(`write ${'AB'[origin]}${change.index}@${at}`);
  };
  const round = (commits: readonly [boolean, boolean], busy: boolean): void => {
    const snapshots = [snapshotOf(sides[0]), snapshotOf(sides[1])] as const;
    if (busy && random() < 0.5) write(random() < 0.5 ? 0 : 1);
    for (const to of [0, 1] as const) {
      if (!commits[to]) continue;
      const [side, source] = [sides[to], snapshots[1 - to] as Side];
      const sent = liveFrom(source, side.knows);
      const known = side.knows;
      side.knows = source.own.length;
      if (sent.length === 0 || source.row === null || source.row === side.row) continue;
      const local = liveFrom(side, source.knows);
      if (local.length > 0 && !settle(to, sent, local, recorded, strategy)) continue;
      trace.push(`apply on ${'AB'[to]} (knew ${known})`);
      if (local.length > 0) side.relayed.push({ version: source.row, decided: side.own.length });
      hasGoneBack ||= side.row?.past.has(source.row) === true;
      side.row = source.row;
    }
  };
  for (let step = 0; step < 14; step += 1) {
    if (random() < 0.5) write(random() < 0.5 ? 0 : 1);
    else round([random() < 0.7, random() < 0.7], true);
  }
  for (let step = 0; step < 4; step += 1) round([true, true], false);
  const final = sides[0].row;
  const losers = new Set([...recorded].flatMap((change) => [change, ...change.past]));
  const isKept = (change: Change): boolean =>
    change === final || final?.past.has(change) === true || losers.has(change);
  const lost = sides.flatMap(({ own }) => own.filter((change) => !isKept(change)));
  return { hasDiverged: sides[0].row !== sides[1].row, hasGoneBack, lost, trace };
};

/** @returns whether what was sent wins */
const settle = (
  to: 0 | 1,
  sent: readonly Change[],
  local: readonly Change[],
  recorded: Set<Change>,
  strategy: Strategy,
): boolean => {
  const asCandidate = (holder: 0 | 1, change: Change): Candidate => ({
    holder: [ids.A, ids.B][holder] as DatabaseId,
    version: {
      origin: [ids.A, ids.B][change.origin] as DatabaseId,
      originName: ['A', 'B'][change.origin] as DatabaseName,
      xid: BigInt(change.index),
      atMicros: BigInt(change.at),
    },
    knownBy: new Set([[ids.A, ids.B][holder] as DatabaseId]),
  });
  const from = (1 - to) as 0 | 1;
  const verdict = arbitrate([asCandidate(from, label(sent)), asCandidate(to, label(local))], strategy);
  const sentWins = verdict.winner.holder === [ids.A, ids.B][from];
  if (verdict.losers.length > 0) for (const change of sentWins ? local : sent) recorded.add(change);
  return sentWins;
};

describe('two sources', () => {
  for (const text of ['bucardo_latest', 'A B', 'B A']) {
    it(`converge and record every loss under ${text}, whatever commits when`, () => {
      const strategy = parseStrategy(text, names);
      for (let seed = 1; seed <= 20_000; seed += 1) {
        const { trace, ...result } = simulate(seed, strategy);
        expect(result, `seed ${seed}\n${trace.join('\n')}`).toEqual({
          hasDiverged: false,
          hasGoneBack: false,
          lost: [],
        });
      }
    });
  }
});
