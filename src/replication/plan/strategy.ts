/** Conflict strategies: how a winner is chosen among versions that knew nothing of each other. Pure. */
import { createHash } from 'node:crypto';
import { ReplicationError, unreachable } from '../../model/errors.ts';
import type { DatabaseId, DatabaseName } from '../../model/topology.ts';
import type { RowVersion } from './arbitrate.ts';

export type Strategy =
  /** The change of the transaction that started last. */
  | { readonly kind: 'latest' }
  /** The database on which this table, or any table of the sync, was changed last. */
  | { readonly kind: 'latest_table' }
  | { readonly kind: 'latest_all_tables' }
  /** The first source of the sync, or the last one. */
  | { readonly kind: 'source' }
  | { readonly kind: 'target' }
  /** Any, but the same one on every database. */
  | { readonly kind: 'random' }
  /** No winner: every database keeps the row that it has, until a person decides. */
  | { readonly kind: 'skip' }
  /** No winner: the round fails and the sync waits for a person. */
  | { readonly kind: 'abort' }
  /** The first listed database that holds one of the contending versions. */
  | { readonly kind: 'order'; readonly databases: readonly DatabaseName[] };

type NamedStrategy = Exclude<Strategy, { readonly kind: 'order' }>;

/** All but the list; each also goes by its name without `bucardo_`. */
const strategyNames: readonly NamedStrategy['kind'][] = [
  'latest',
  'latest_table',
  'latest_all_tables',
  'source',
  'target',
  'random',
  'skip',
  'abort',
];

/**
 * Reads a `conflict_strategy=`.
 * @param sources of the sync: the names that a list may hold
 * @throws ReplicationError `usage`
 */
export const parseStrategy = (text: string, sources: readonly DatabaseName[]): Strategy => {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  const [first] = words;
  const named = words.length === 1 && first !== undefined ? findNamed(first) : undefined;
  if (named !== undefined) return { kind: named };
  const unknown = words.filter((word) => !sources.some((source) => source === word));
  if (words.length === 0 || unknown.length > 0) throw unknownStrategy(text, unknown, sources);
  const databases = [...new Set(words)] as DatabaseName[];
  const missing = sources.filter((source) => !databases.includes(source));
  if (missing.length > 1) throw undecidedPair(text, missing);
  return { kind: 'order', databases };
};

const findNamed = (word: string): NamedStrategy['kind'] | undefined => {
  const name = word.replace(/^bucardo_/, '');
  return name === 'default' ? 'latest' : strategyNames.find((kind) => kind === name);
};

/** As it is stored and shown: one name for each strategy. */
export const formatStrategy = (strategy: Strategy): string =>
  strategy.kind === 'order' ? strategy.databases.join(' ') : `bucardo_${strategy.kind}`;

/** Recorded facts by which a strategy decides, the same for every database that a round writes. */
export interface Circumstances {
  /** Of the sync, in their order. */
  readonly sources: readonly DatabaseName[];
  /** The row, as text that is the same everywhere. */
  readonly key: string;
  /** When a database changed this table last, and any table of the sync; microseconds since 1970, null when it is not known. */
  readonly newestAt: {
    readonly inTable: (origin: DatabaseId) => bigint | null;
    readonly inSync: (origin: DatabaseId) => bigint | null;
  };
}

/** True when one version is put before the other. A total order. */
export type Preference = (one: RowVersion, other: RowVersion) => boolean;

/** Where a strategy sees no difference, and for those that choose no winner: the latest change, then the name of its database. */
export const preferenceOf = (strategy: Strategy, circumstances: Circumstances): Preference => {
  const rank = rankingOf(strategy, circumstances);
  return (one, other) => {
    const [a, b] = [rank(one), rank(other)];
    return a === b ? isLater(one, other) : a > b;
  };
};

type Ranking = (version: RowVersion) => bigint;

const rankingOf = (strategy: Strategy, { sources, key, newestAt }: Circumstances): Ranking => {
  switch (strategy.kind) {
    case 'latest':
    case 'skip':
    case 'abort':
      return () => 0n;
    case 'latest_table':
      return ({ origin, atMicros }) => newestAt.inTable(origin) ?? atMicros;
    case 'latest_all_tables':
      return ({ origin, atMicros }) => newestAt.inSync(origin) ?? atMicros;
    case 'source':
      return rankIn(sources);
    case 'target':
      return rankIn(sources.toReversed());
    case 'order':
      return rankIn(strategy.databases);
    case 'random':
      return ({ origin, xid }) => hashOf(`${key}/${origin}/${xid}`);
    default:
      return unreachable(strategy);
  }
};

const rankIn =
  (databases: readonly DatabaseName[]): Ranking =>
  ({ originName }) => {
    const index = databases.indexOf(originName);
    return index === -1 ? 0n : BigInt(databases.length - index);
  };

const hashOf = (text: string): bigint => createHash('sha256').update(text).digest().readBigUInt64BE();

const isLater = (one: RowVersion, other: RowVersion): boolean => {
  if (one.atMicros !== other.atMicros) return one.atMicros > other.atMicros;
  if (one.originName !== other.originName) return one.originName < other.originName;
  return one.xid > other.xid;
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
    hint: `Use ${strategyNames.map((name) => `bucardo_${name}`).join(', ')}, or a list of its sources in order of preference (${sources.join(', ')}).`,
  });

const undecidedPair = (text: string, missing: readonly DatabaseName[]): ReplicationError =>
  new ReplicationError('usage', {
    message: `The conflict_strategy "${text}" does not say who wins between ${missing.join(' and ')}.`,
    hint: 'List all sources of the sync in order of preference; the last one may be left out.',
  });
