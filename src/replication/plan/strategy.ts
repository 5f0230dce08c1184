/** Conflict strategies: how a winner is chosen among versions that knew nothing of each other. */
import { ReplicationError } from '../../model/errors.ts';
import type { DatabaseName } from '../../model/topology.ts';
import type { HeldVersion } from './arbitrate.ts';

export type Strategy =
  /** The change of the transaction that started last. */
  | { readonly kind: 'latest' }
  /** No winner: the round fails and the sync waits for a person. */
  | { readonly kind: 'abort' }
  /** The first listed database that holds one of the contending versions; nobody listed: latest. */
  | { readonly kind: 'order'; readonly databases: readonly DatabaseName[] };

const latestNames: ReadonlySet<string> = new Set(['bucardo_latest', 'latest', 'default']);
const abortNames: ReadonlySet<string> = new Set(['bucardo_abort', 'abort']);

/**
 * Reads a `conflict_strategy=`.
 * @param sources the names that an ordered list may hold
 * @throws ReplicationError `usage`
 */
export const parseStrategy = (text: string, sources: readonly DatabaseName[]): Strategy => {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  const [first] = words;
  if (words.length === 1 && first !== undefined && latestNames.has(first)) return { kind: 'latest' };
  if (words.length === 1 && first !== undefined && abortNames.has(first)) return { kind: 'abort' };
  const unknown = words.filter((word) => !sources.some((source) => source === word));
  if (words.length === 0 || unknown.length > 0) throw unknownStrategy(text, unknown, sources);
  return { kind: 'order', databases: words as DatabaseName[] };
};

/** True when the strategy puts `one` before `other`. A total order: ties go to the database whose name sorts first. */
export const prefers = (strategy: Strategy, one: HeldVersion, other: HeldVersion): boolean => {
  if (strategy.kind === 'order') {
    const byList = rankIn(strategy.databases, one) - rankIn(strategy.databases, other);
    if (byList !== 0) return byList < 0;
  }
  if (one.version.atMicros !== other.version.atMicros) return one.version.atMicros > other.version.atMicros;
  if (one.version.originName !== other.version.originName)
    return one.version.originName < other.version.originName;
  return one.version.xid > other.version.xid;
};

const rankIn = (databases: readonly DatabaseName[], { version }: HeldVersion): number => {
  const index = databases.indexOf(version.originName);
  return index === -1 ? databases.length : index;
};

const unknownStrategy = (
  text: string,
  unknown: readonly string[],
  sources: readonly DatabaseName[],
): ReplicationError =>
  new ReplicationError('usage', {
    message:
      unknown.length === 0
        ? 'An empty conflict_strategy was given.'
        : `Unknown conflict_strategy "${text}": ${unknown.map((word) => `"${word}"`).join(', ')} is neither a strategy nor a source of this sync.`,
    hint: `Use bucardo_latest, bucardo_abort, or a list of its sources in order of preference (${sources.join(', ')}).`,
  });
