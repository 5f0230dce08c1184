/** What the sources of the model hold of their one row, and what of that they send. */
import type { DatabaseName } from '../../src/model/topology.ts';

/** A write of an application. */
export interface Change {
  readonly origin: number;
  /** Its place among the entries of its origin: the order of commits. */
  readonly place: number;
  readonly at: number;
  /** What the row holds then. */
  readonly value: number;
  /** What the row had been, as far as the writer could know. */
  readonly past: ReadonlySet<Change>;
}

interface OwnEntry {
  readonly kind: 'own';
  readonly change: Change;
}

/** A version that a round wrote, or decided for. */
interface BroughtEntry {
  readonly kind: 'brought';
  readonly change: Change;
  /** Own changes before this place were seen when it was decided. */
  readonly decided: number;
  readonly isChoice: boolean;
}

export type Entry = OwnEntry | BroughtEntry;

export interface Source {
  readonly entries: readonly Entry[];
  /** By source: how many of its entries are known here. */
  readonly known: readonly number[];
  readonly row: Change | null;
}

export const sourceNames = ['A', 'B', 'C', 'D', 'E'] as DatabaseName[];

/** The version that a source holds, by its entries from `since` on; null when there are none. */
export const heldVersion = (entries: readonly Entry[], since: number): Change | null => {
  if (entries.length <= since) return null;
  const brought = entries.findLast((entry): entry is BroughtEntry => entry.kind === 'brought');
  const own = entries.findLast((entry, place) => entry.kind === 'own' && place >= (brought?.decided ?? 0));
  return (own ?? brought)?.change ?? null;
};

/** What a round knows of the sources that are present: their state as of its snapshots. */
export interface Opening {
  readonly present: readonly number[];
  readonly states: ReadonlyMap<number, Source>;
}

export const stateIn = ({ states }: Opening, index: number): Source => states.get(index) as Source;

export const changeText = ({ origin, place, at, value }: Change): string =>
  `${sourceNames[origin]}${place}@${at}=${value}`;

/**
 * An own change, a choice, or a version that some reader may miss: of a source that is away, or of one that is present and had
 * not made it when its snapshot was taken. What is in its snapshot it sends itself.
 */
export const isSent = (
  entry: Entry,
  { states }: Opening,
  readers: readonly (readonly number[])[],
): boolean => {
  if (entry.kind === 'own' || entry.isChoice) return true;
  const { origin, place } = entry.change;
  const state = states.get(origin);
  return state === undefined
    ? readers.some((known) => place >= (known[origin] ?? 0))
    : place >= state.entries.length;
};
