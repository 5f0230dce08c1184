/**
 * A model of one row on two sources and a target: writes, start times out of order, rounds between the sources that commit
 * on one side only, rounds of the target in between, in random order. It follows the engine: what is sent, what hides
 * what, what a database decides against its own changes at the moment of writing.
 *
 * It fails when relaying is taken out (rows go back), and when the target is not told what the sources have not settled
 * yet (it diverges).
 */
import { describe, expect, it } from 'vitest';
import type { DatabaseId, DatabaseName } from '../../model/topology.ts';
import { arbitrate, type Candidate } from './arbitrate.ts';
import { parseStrategy, type Strategy } from './strategy.ts';

type SourceIndex = 0 | 1;
const names = ['A', 'B'] as DatabaseName[];
const idOf = (source: SourceIndex): DatabaseId => (source + 1) as DatabaseId;

interface Change {
  readonly origin: SourceIndex;
  /** Its place in the deltas of the origin. */
  readonly place: number;
  readonly at: number;
  readonly past: ReadonlySet<Change>;
}

interface Relayed {
  readonly version: Change;
  readonly place: number;
  /** Own changes before this place were seen when it was decided. */
  readonly decided: number;
}

interface Source {
  readonly own: readonly Change[];
  readonly relayed: readonly Relayed[];
  readonly row: Change | null;
  /** How far it knows the deltas of the other. */
  readonly knows: number;
  /** How many deltas there are: a snapshot of this source, as a position. */
  readonly length: number;
}

/** Own changes from this place on that no relayed version hides. */
const liveFrom = ({ own, relayed }: Source, since: number): Change[] =>
  own.filter(({ place }) => place >= since && !relayed.some(({ decided }) => place < decided));

/** The version that a source holds, of the deltas from `since` on; null when there are none. */
const heldVersion = (
  source: Source,
  { index, since, peerKnows }: { index: SourceIndex; since: number; peerKnows: number },
): Candidate | null => {
  const live = liveFrom(source, since);
  const relay = source.relayed.findLast(({ place }) => place >= since);
  if (live.length === 0)
    return relay === undefined ? null : candidateOf(index, relay.version, [index, relay.version.origin]);
  const unknown = live.filter(({ place }) => place >= peerKnows);
  const latest = (unknown.length > 0 ? unknown : live).reduce((best, change) =>
    change.at > best.at ? change : best,
  );
  return candidateOf(index, latest, unknown.length > 0 ? [index] : [0, 1]);
};

const candidateOf = (
  holder: SourceIndex,
  { origin, place, at }: Change,
  knownBy: readonly SourceIndex[],
): Candidate => ({
  holder: idOf(holder),
  version: {
    origin: idOf(origin),
    originName: names[origin] as DatabaseName,
    xid: BigInt(place),
    atMicros: BigInt(at),
  },
  knownBy: new Set(knownBy.map(idOf)),
});

/** A small, fast generator (mulberry32), so that a failing seed replays. */
const randomFrom = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
};

class Model {
  readonly trace: string[] = [];
  readonly recorded = new Set<Change>();
  readonly sources: [Source, Source];
  readonly #strategy: Strategy;
  readonly #random: () => number;
  #clock = 0;
  target: { row: Change | null; knows: [number, number] } = { row: null, knows: [0, 0] };
  hasGoneBack = false;

  constructor(seed: number, strategy: Strategy) {
    this.#random = randomFrom(seed);
    this.#strategy = strategy;
    const empty: Source = { own: [], relayed: [], row: null, knows: 0, length: 0 };
    this.sources = [empty, empty];
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  write(): void {
    const origin: SourceIndex = this.chance(0.5) ? 0 : 1;
    const source = this.sources[origin];
    this.#clock += 1;
    const at = this.chance(0.8) ? this.#clock : Math.max(0, this.#clock - Math.floor(this.#random() * 4));
    const past = source.row === null ? new Set<Change>() : new Set([...source.row.past, source.row]);
    const change = { origin, place: source.length, at, past };
    this.sources[origin] = {
      ...source,
      own: [...source.own, change],
      row: change,
      length: source.length + 1,
    };
    this.trace.push(`write ${names[origin]}${change.place}@${at}`);
  }

  /** A round between the sources. */
  round(commits: readonly [boolean, boolean], isBusy: boolean): void {
    const snapshots = [...this.sources] as [Source, Source];
    if (isBusy && this.chance(0.5)) this.write();
    for (const index of [0, 1] as const)
      if (commits[index]) this.#receive(index, snapshots[1 - index] as Source);
  }

  #receive(index: SourceIndex, sender: Source): void {
    const own = this.sources[index];
    const from = (1 - index) as SourceIndex;
    const sent = liveFrom(sender, own.knows);
    const staged =
      sent.length === 0 ? null : heldVersion(sender, { index: from, since: own.knows, peerKnows: own.knows });
    const local = liveFrom(own, sender.knows);
    this.sources[index] = { ...own, knows: sender.length };
    if (staged === null || sender.row === null || sender.row === own.row) return;
    const held =
      local.length === 0 ? null : heldVersion(own, { index, since: sender.knows, peerKnows: sender.knows });
    if (held !== null && !this.#wins(staged, held, { sent, local })) return;
    this.trace.push(`${names[index]} takes ${names[sender.row.origin]}${sender.row.place}`);
    this.hasGoneBack ||= own.row?.past.has(sender.row) === true;
    const relay = { version: sender.row, place: own.length, decided: own.length };
    this.sources[index] = {
      ...this.sources[index],
      row: sender.row,
      ...(held === null ? {} : { relayed: [...own.relayed, relay], length: own.length + 1 }),
    };
  }

  #wins(
    staged: Candidate,
    held: Candidate,
    changes: { sent: readonly Change[]; local: readonly Change[] },
  ): boolean {
    const { winner, losers } = arbitrate([staged, held], this.#strategy);
    const isStaged = winner === staged;
    if (losers.length > 0)
      for (const change of isStaged ? changes.local : changes.sent) this.recorded.add(change);
    return isStaged;
  }

  /** A round that writes the target. Its snapshots of the two sources are not taken at the same moment. */
  targetRound(isBusy: boolean): void {
    const first = this.sources[0];
    if (isBusy && this.chance(0.3)) {
      if (this.chance(0.5)) this.write();
      else this.round([this.chance(0.7), this.chance(0.7)], false);
    }
    const snapshots = [first, this.sources[1]] as const;
    const isNew = ([0, 1] as const).some((index) =>
      this.#hasNews(snapshots[index], this.target.knows[index]),
    );
    const candidates = ([0, 1] as const).flatMap((index) => {
      const peerKnows = (snapshots[1 - index] as Source).knows;
      const since = Math.min(this.target.knows[index], peerKnows);
      const held = heldVersion(snapshots[index], { index, since, peerKnows });
      return held === null ? [] : [held];
    });
    this.target.knows = [snapshots[0].length, snapshots[1].length];
    const [one, ...others] = candidates;
    if (!isNew || one === undefined) return;
    const { winner } = arbitrate([one, ...others], this.#strategy);
    const { row } = snapshots[(winner.holder - 1) as SourceIndex];
    this.target.row = row;
    this.trace.push(`C takes ${row === null ? 'nothing' : `${names[row.origin]}${row.place}`}`);
  }

  #hasNews({ own, relayed }: Source, since: number): boolean {
    return [...own, ...relayed].some(({ place }) => place >= since);
  }

  /** Changes that are neither in the final row nor behind it, nor recorded as lost. */
  lost(): Change[] {
    const final = this.sources[0].row;
    const losers = new Set([...this.recorded].flatMap((change) => [change, ...change.past]));
    const isKept = (change: Change): boolean =>
      change === final || final?.past.has(change) === true || losers.has(change);
    return this.sources.flatMap(({ own }) => own.filter((change) => !isKept(change)));
  }
}

const simulate = (seed: number, strategy: Strategy): Model => {
  const model = new Model(seed, strategy);
  for (let step = 0; step < 18; step += 1) {
    if (model.chance(0.4)) model.write();
    else if (model.chance(0.6)) model.round([model.chance(0.7), model.chance(0.7)], true);
    else model.targetRound(true);
  }
  for (let step = 0; step < 4; step += 1) {
    model.round([true, true], false);
    model.targetRound(false);
  }
  return model;
};

describe('two sources and a target', () => {
  for (const text of ['bucardo_latest', 'A B', 'B A'])
    it(`converge and record every loss under ${text}, whatever commits when`, () => {
      const strategy = parseStrategy(text, names);
      for (let seed = 1; seed <= 20_000; seed += 1) {
        const model = simulate(seed, strategy);
        const [a, b] = model.sources;
        const found = {
          isEqual: a.row === b.row,
          isTargetEqual: model.target.row === a.row,
          hasGoneBack: model.hasGoneBack,
          lost: model.lost(),
        };
        expect(found, `seed ${seed}\n${model.trace.join('\n')}`).toEqual({
          isEqual: true,
          isTargetEqual: true,
          hasGoneBack: false,
          lost: [],
        });
      }
    });
});
