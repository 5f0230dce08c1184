/**
 * A model of one row on a gang of sources and a target, as the engine keeps it: deltas, relayed versions, positions,
 * rounds over whoever is present, snapshots of different moments, commits on some only, and writes of applications in between.
 *
 * It uses the engine's own decision (`arbitrate`), and around it the rules by which the engine chooses what is sent,
 * what hides what and what is noted. Those that are needed often can be taken out, to see that they are.
 */
import { arbitrate, type Candidate } from '../../src/replication/plan/arbitrate.ts';
import type { Preference } from '../../src/replication/plan/strategy.ts';
import type { DatabaseId, DatabaseName } from '../../src/model/topology.ts';
import {
  type Change,
  changeText,
  type Entry,
  heldVersion,
  isSent,
  type Opening,
  type Source,
  sourceNames,
  stateIn,
} from './gang-state.ts';

/** The rules that can be taken out. */
export type Rule =
  /** Every version that is applied is noted where it arrives, not only those that met an own change. */
  | 'notesAll'
  /** A choice between contenders is noted on every database that made it, also where its own version won. */
  | 'notesChoices'
  /** What is known of a source that is away is taken over from those that are present. */
  | 'inheritsPositions'
  /** A target forgets what it knew of a source that is away when those that it reads know less. */
  | 'forgetsWhatOthersLack'
  /** A target also looks at what the sources have not settled among themselves. */
  | 'looksAtUnsettled';

export interface Findings {
  readonly isEqual: boolean;
  readonly isTargetEqual: boolean;
  /**
   * A row was replaced by a version that its maker had known: only where what the strategy says speaks against what was known,
   * as when A1 was made from D0, C1 wins against A1, and D0 against C1. Then A1 is recorded as lost.
   */
  readonly wentBack: boolean;
  /** Changes that are neither in the final row nor behind it, nor recorded as lost. */
  readonly lostCount: number;
  readonly trace: readonly string[];
}

export interface Simulation {
  readonly seed: number;
  readonly sourceCount: number;
  readonly hasTarget: boolean;
  /** Made for each round, so that it may change its mind. */
  readonly strategy: (random: () => number) => Preference;
  /** No transaction starts before one that it knows of: then time never speaks against knowledge. */
  readonly isInOrder?: boolean;
  /** A rule that is taken out. */
  readonly without?: Rule;
}

/** Few, so that different versions often have the same content. */
const valueCount = 3;
const stepCount = 18;

const idOf = (index: number): DatabaseId => (index + 1) as DatabaseId;

/** A small, fast generator (mulberry32), so that a failing seed replays. */
const randomFrom = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
};

class Model {
  readonly trace: string[] = [];
  readonly random: () => number;
  readonly #without: Rule | undefined;
  readonly #notesAll: boolean;
  readonly #isInOrder: boolean;
  readonly #count: number;
  readonly #recorded = new Set<Change>();
  readonly #changes: Change[] = [];
  readonly #sources: Source[];
  #clock = 0;
  target: { readonly row: Change | null; readonly known: readonly number[] };
  wentBack = false;

  constructor({ seed, sourceCount, hasTarget, without, isInOrder = false }: Simulation) {
    this.#isInOrder = isInOrder;
    this.random = randomFrom(seed);
    this.#without = without;
    this.#count = sourceCount;
    this.#notesAll = (sourceCount > 2 || hasTarget) && without !== 'notesAll';
    const known = Array.from({ length: sourceCount }, () => 0);
    this.#sources = known.map(() => ({ entries: [], known, row: null }));
    this.target = { row: null, known };
  }

  get rows(): readonly (Change | null)[] {
    return this.#sources.map(({ row }) => row);
  }

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  write(): void {
    const origin = Math.floor(this.random() * this.#count);
    const source = this.#source(origin);
    this.#clock += 1;
    const at =
      this.#isInOrder || this.chance(0.8)
        ? this.#clock
        : Math.max(0, this.#clock - Math.floor(this.random() * 4));
    const past = source.row === null ? new Set<Change>() : new Set([...source.row.past, source.row]);
    const value = Math.floor(this.random() * valueCount);
    const change = { origin, place: source.entries.length, at, value, past };
    this.#changes.push(change);
    this.#sources[origin] = { ...source, entries: [...source.entries, { kind: 'own', change }], row: change };
    this.trace.push(`write ${changeText(change)}`);
  }

  /** Some of the sources, at least `min`; each present with this probability. */
  some(probability: number, min: number): number[] {
    const present = this.#sources.map((_, index) => index).filter(() => this.chance(probability));
    return present.length >= min ? present : [];
  }

  /**
   * The snapshots are not of one moment: applications write between them.
   * @param beside how the sources decide in a round that they may make meanwhile; null: this is that round
   */
  open(
    present: readonly number[],
    { isBusy, beside }: { readonly isBusy: boolean; readonly beside: Preference | null },
  ): Opening {
    const states = new Map<number, Source>();
    for (const index of present) {
      states.set(index, this.#source(index));
      if (isBusy && this.chance(0.2)) this.write();
      if (isBusy && beside !== null && this.chance(0.1)) {
        const opening = this.open(this.some(0.75, 2), { isBusy: false, beside: null });
        this.round({ opening, commits: () => this.chance(0.7), strategy: beside, isBusy: false });
      }
    }
    return { present, states };
  }

  /** A round between the sources that are present, of which some commit; applications may write between its steps. */
  round({
    opening,
    commits,
    strategy,
    isBusy,
  }: {
    readonly opening: Opening;
    readonly commits: (index: number) => boolean;
    readonly strategy: Preference;
    readonly isBusy: boolean;
  }): void {
    this.trace.push(`round ${opening.present.map((index) => sourceNames[index]).join('')}`);
    for (const index of opening.present) {
      if (isBusy && this.chance(0.2)) this.write();
      if (commits(index)) this.#receive(index, opening, strategy);
    }
  }

  #receive(index: number, opening: Opening, strategy: Preference): void {
    const before = stateIn(opening, index);
    const own = this.#source(index);
    const senders = opening.present.filter((other) => other !== index);
    if (own.known !== before.known) return;
    const hasNews = senders.some((sender) => this.#hasNews(sender, opening, before.known));
    if (!hasNews && this.chance(0.5)) return;
    const known = this.#nextKnown(before.known, opening, index);
    this.#sources[index] = { ...own, known };
    if (!hasNews) return;
    const staged = senders.flatMap((sender) => this.#candidate(sender, { opening, reader: null }));
    const since = this.#unknownSince(index, opening);
    const local = heldVersion(own.entries, since);
    const held = local === null ? [] : [this.#candidateOf(index, local, opening)];
    this.#apply(index, { staged, held, strategy, decided: own.entries.length });
  }

  #apply(
    index: number,
    {
      staged,
      held,
      strategy,
      decided,
    }: {
      readonly staged: readonly ModelCandidate[];
      readonly held: readonly ModelCandidate[];
      readonly strategy: Preference;
      readonly decided: number;
    },
  ): void {
    const own = this.#source(index);
    const [first, ...rest] = [...staged, ...held];
    if (first === undefined) return;
    const { winner: won, losers, contenders } = arbitrate([first, ...rest], strategy);
    const isSame = staged.every(({ content }) => content.value === own.row?.value);
    // Of versions with the same content none is lost.
    for (const { content } of isSame ? [...staged, ...held] : losers) this.#recorded.add(content);
    const isChoice = contenders.length > 1 && this.#without !== 'notesChoices';
    const isChanged = !held.includes(won);
    const isNoted = isChoice || (isChanged && (this.#notesAll || held.length > 0));
    if (isChanged) this.#see(index, own.row, won.content);
    if (!isChanged && !isNoted) return;
    const entry: Entry = { kind: 'brought', change: won.content, decided, isChoice };
    this.#sources[index] = {
      ...own,
      row: won.content,
      entries: isNoted ? [...own.entries, entry] : own.entries,
    };
  }

  #see(index: number, before: Change | null, after: Change): void {
    this.trace.push(
      `${sourceNames[index]} takes ${changeText(after)} over ${before === null ? 'nothing' : changeText(before)}`,
    );
    if (before?.past.has(after) === true) {
      this.wentBack = true;
      this.trace.push('went back');
    }
  }

  /** A round that writes the target. */
  targetRound({
    present,
    strategy,
    isBusy,
  }: {
    readonly present: readonly number[];
    readonly strategy: Preference;
    readonly isBusy: boolean;
  }): void {
    const opening = this.open(present, { isBusy, beside: strategy });
    const { known } = this.target;
    const hasNews = present.some((sender) => this.#hasNews(sender, opening, known));
    if (!hasNews && this.chance(0.5)) return;
    const staged = present.flatMap((sender) => this.#candidate(sender, { opening, reader: known }));
    const [first, ...rest] = staged;
    this.target = { ...this.target, known: this.#nextKnown(known, opening, null) };
    if (first === undefined || !hasNews) return;
    const { winner, contenders } = arbitrate([first, ...rest], strategy);
    // The sources settle among themselves, and need not tell those who know all contenders what they have chosen.
    const isUnsettled = contenders.length > 1;
    this.target = {
      known: isUnsettled ? this.#knownToAll(opening) : this.target.known,
      row: winner.content,
    };
    this.trace.push(
      `target reads ${present.map((index) => sourceNames[index]).join('')}, takes ${changeText(winner.content)}`,
    );
  }

  /** Something that this reader has not seen. */
  #hasNews(sender: number, opening: Opening, known: readonly number[]): boolean {
    const { entries } = stateIn(opening, sender);
    return entries.some((entry, place) => place >= (known[sender] ?? 0) && isSent(entry, opening, [known]));
  }

  /** What a source sends of the row: the version that it holds, when somebody who reads may not know it. */
  #candidate(
    sender: number,
    {
      opening,
      reader,
    }: {
      readonly opening: Opening;
      readonly reader: readonly number[] | null;
    },
  ): ModelCandidate[] {
    const { entries, row } = stateIn(opening, sender);
    const readers = [
      ...opening.present.filter((other) => other !== sender).map((other) => stateIn(opening, other).known),
      ...(reader === null ? [] : [reader]),
    ];
    const isNarrow = reader !== null && this.#without === 'looksAtUnsettled';
    const since = isNarrow ? (reader[sender] ?? 0) : this.#unknownSince(sender, opening, reader);
    if (!entries.some((entry, place) => place >= since && isSent(entry, opening, readers))) return [];
    const held = heldVersion(entries, since);
    if (held === null || row === null) return [];
    if (held !== row && this.#notesAll)
      throw new Error(`${sourceNames[sender]} says ${changeText(held)} and has ${changeText(row)}`);
    return [{ ...this.#candidateOf(sender, held, opening), content: row }];
  }

  #candidateOf(holder: number, content: Change, opening: Opening): ModelCandidate {
    const knows = (other: number): boolean => content.place < this.#knownTo(other, content.origin, opening);
    return {
      holder: idOf(holder),
      isOpen: false,
      version: {
        origin: idOf(content.origin),
        originName: sourceNames[content.origin] as DatabaseName,
        xid: BigInt(content.place),
        atMicros: BigInt(content.at),
      },
      knownBy: new Set([idOf(holder), ...opening.present.filter(knows).map(idOf)]),
      content,
    };
  }

  #unknownSince(index: number, opening: Opening, reader: readonly number[] | null = null): number {
    const others = opening.present.filter((other) => other !== index);
    return Math.min(
      stateIn(opening, index).entries.length,
      ...others.map((other) => stateIn(opening, other).known[index] ?? 0),
      ...(reader === null ? [] : [reader[index] ?? 0]),
    );
  }

  #nextKnown(known: readonly number[], opening: Opening, self: number | null): number[] {
    return known.map((before, origin) => {
      if (origin === self) return before;
      if (opening.present.includes(origin)) return stateIn(opening, origin).entries.length;
      if (this.#without === 'inheritsPositions') return before;
      const forgets = self === null && this.#without !== 'forgetsWhatOthersLack';
      const held = opening.present.map((other) => stateIn(opening, other).known[origin] ?? 0);
      return Math.max(forgets ? 0 : before, ...held);
    });
  }

  /** How many of the entries of an origin a source knows that is present. */
  #knownTo(index: number, origin: number, opening: Opening): number {
    const { entries, known } = stateIn(opening, index);
    return index === origin ? entries.length : (known[origin] ?? 0);
  }

  #knownToAll(opening: Opening): number[] {
    return this.#sources.map((_, origin) =>
      Math.min(...opening.present.map((index) => this.#knownTo(index, origin, opening))),
    );
  }

  #source(index: number): Source {
    return this.#sources[index] as Source;
  }

  lostCount(): number {
    const final = this.rows[0];
    const kept = this.#changes.filter(({ value }) => value === final?.value);
    const losers = new Set([...this.#recorded, ...kept].flatMap((change) => [change, ...change.past]));
    return this.#changes.filter(
      (change) => change.value !== final?.value && final?.past.has(change) !== true && !losers.has(change),
    ).length;
  }
}

interface ModelCandidate extends Candidate {
  readonly content: Change;
}

export const simulate = (simulation: Simulation): Findings => {
  const model = new Model(simulation);
  const { sourceCount, hasTarget } = simulation;
  const everybody = Array.from({ length: sourceCount }, (_, index) => index);
  for (let step = 0; step < stepCount; step += 1) {
    const strategy = simulation.strategy(model.random);
    if (model.chance(0.4)) model.write();
    else if (model.chance(hasTarget ? 0.5 : 0.7)) {
      const opening = model.open(model.some(0.75, 2), { isBusy: true, beside: null });
      model.round({ opening, commits: () => model.chance(0.7), strategy, isBusy: true });
    } else if (hasTarget) model.targetRound({ present: model.some(0.5, 1), strategy, isBusy: true });
  }
  for (let step = 0; step < 5; step += 1) {
    const strategy = simulation.strategy(model.random);
    const opening = model.open(everybody, { isBusy: false, beside: null });
    model.round({ opening, commits: () => true, strategy, isBusy: false });
    if (hasTarget) model.targetRound({ present: everybody, strategy, isBusy: false });
  }
  const [first] = model.rows;
  return {
    isEqual: model.rows.every((row) => row?.value === first?.value),
    isTargetEqual: !hasTarget || model.target.row?.value === first?.value,
    wentBack: model.wentBack,
    lostCount: model.lostCount(),
    trace: model.trace,
  };
};
