/**
 * The row-version rule: which of the versions of one row that the databases hold goes everywhere.
 *
 * Pure, and a function of recorded inputs alone, so every database that is written computes the same verdict
 * (invariant 5). Causality comes first: a version that was made with knowledge of another is no conflict with it.
 */
import type { DatabaseId, DatabaseName } from '../../model/topology.ts';
import { prefers, type Strategy } from './strategy.ts';

/** A change of a row: where it was made, by which transaction, and when that transaction started. */
interface RowVersion {
  readonly origin: DatabaseId;
  readonly originName: DatabaseName;
  /** 64-bit transaction id on the origin. */
  readonly xid: bigint;
  /** Start of the transaction, microseconds since 1970, by the clock of the origin. */
  readonly atMicros: bigint;
}

/** A version as one database holds it. */
export interface Candidate {
  readonly holder: DatabaseId;
  readonly version: RowVersion;
  /** The databases whose positions cover the version; its holder is always one of them. */
  readonly knownBy: ReadonlySet<DatabaseId>;
}

export interface Verdict {
  readonly winner: Candidate;
  /** The versions that lost although their makers knew nothing of the winner: each is a loss to be recorded. */
  readonly losers: readonly Candidate[];
}

/** Decides between the candidates of one row. */
export const arbitrate = (candidates: readonly [Candidate, ...Candidate[]], strategy: Strategy): Verdict => {
  const versions = distinctVersions(candidates);
  const live = versions.filter((version) => !versions.some((other) => isSuperseded(version, other)));
  const contenders = live.length > 0 ? live : versions;
  const winner = contenders.reduce((best, version) => (prefers(strategy, version, best) ? version : best));
  const losers = contenders.filter((version) => version !== winner && !knowEachOther(version, winner));
  return { winner: representative(winner), losers: losers.map(representative) };
};

/** A version with everybody who holds it and everybody who knows it. */
export interface HeldVersion {
  readonly version: RowVersion;
  readonly holders: readonly Candidate[];
  readonly knownBy: ReadonlySet<DatabaseId>;
}

const distinctVersions = (candidates: readonly Candidate[]): HeldVersion[] => {
  const held = Map.groupBy(candidates, ({ version }) => `${version.origin}:${version.xid}`);
  return [...held.values()].map((holders) => ({
    version: (holders[0] as Candidate).version,
    holders,
    knownBy: new Set(holders.flatMap((candidate) => [candidate.holder, ...candidate.knownBy])),
  }));
};

/** A holder of the other version knew this one, and no holder of this one knows the other. */
const isSuperseded = (version: HeldVersion, other: HeldVersion): boolean =>
  version !== other && isKnownToHolderOf(version, other) && !isKnownToHolderOf(other, version);

/** Both have been applied in both places: whichever row they hold now, it is the same one. */
const knowEachOther = (one: HeldVersion, other: HeldVersion): boolean =>
  isKnownToHolderOf(one, other) && isKnownToHolderOf(other, one);

const isKnownToHolderOf = (version: HeldVersion, other: HeldVersion): boolean =>
  other.holders.some(({ holder }) => version.knownBy.has(holder));

/** Any holder serves, for they hold the same row; the origin is named where it is one of them. */
const representative = ({ version, holders }: HeldVersion): Candidate =>
  holders.find(({ holder }) => holder === version.origin) ?? (holders[0] as Candidate);
