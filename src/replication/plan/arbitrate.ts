/**
 * The row-version rule: which of the versions of one row that the databases hold goes everywhere.
 *
 * Pure, and a function of recorded inputs alone, so every database that is written computes the same verdict
 * (invariant 5). Causality comes first: a version that was made with knowledge of another is no conflict with it.
 */
import type { DatabaseId, DatabaseName } from '../../model/topology.ts';
import type { Preference } from './strategy.ts';

/** A change of a row: where it was made, by which transaction, and when that transaction started. */
export interface RowVersion {
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
  /** The holder has seen other versions and decided nothing between them and this one: what it knows it has not used. */
  readonly isOpen: boolean;
  /** The databases whose positions cover the version; its holder is always one of them. */
  readonly knownBy: ReadonlySet<DatabaseId>;
}

export interface Verdict<C extends Candidate> {
  readonly winner: C;
  /** The versions that lost although their makers knew nothing of the winner: each is a loss to be recorded. */
  readonly losers: readonly C[];
  /** The versions that were left when those that others supersede had gone: of more than one, the strategy chose. */
  readonly contenders: readonly C[];
}

/** Decides between the candidates of one row. */
export const arbitrate = <C extends Candidate>(
  candidates: readonly [C, ...C[]],
  prefers: Preference,
): Verdict<C> => {
  const versions = distinctVersions(candidates);
  const live = versions.filter((version) => !versions.some((other) => isSuperseded(version, other)));
  const contenders = live.length > 0 ? live : versions;
  const winner = contenders.reduce((best, version) =>
    prefers(version.version, best.version) ? version : best,
  );
  const losers = contenders.filter((version) => version !== winner && !knowEachOther(version, winner));
  return {
    winner: representative(winner),
    losers: losers.map(representative),
    contenders: contenders.map(representative),
  };
};

/** A version with everybody who holds it and everybody who knows it. */
interface HeldVersion<C extends Candidate> {
  readonly version: RowVersion;
  readonly holders: readonly C[];
  readonly knownBy: ReadonlySet<DatabaseId>;
}

const distinctVersions = <C extends Candidate>(candidates: readonly C[]): HeldVersion<C>[] => {
  const held = Map.groupBy(candidates, ({ version }) => `${version.origin}:${version.xid}`);
  return [...held.values()].map((holders) => ({
    version: (holders[0] as C).version,
    holders,
    knownBy: new Set(holders.flatMap((candidate) => [candidate.holder, ...candidate.knownBy])),
  }));
};

/** A holder of the other version knew this one and went on from it, and no holder of this one knows the other. */
const isSuperseded = (version: HeldVersion<Candidate>, other: HeldVersion<Candidate>): boolean =>
  version !== other &&
  other.holders.some(({ holder, isOpen }) => !isOpen && version.knownBy.has(holder)) &&
  !isKnownToHolderOf(other, version);

/** Both have been applied in both places: whichever row they hold now, it is the same one. */
const knowEachOther = (one: HeldVersion<Candidate>, other: HeldVersion<Candidate>): boolean =>
  isKnownToHolderOf(one, other) && isKnownToHolderOf(other, one);

const isKnownToHolderOf = (version: HeldVersion<Candidate>, other: HeldVersion<Candidate>): boolean =>
  other.holders.some(({ holder }) => version.knownBy.has(holder));

/** Any holder serves, for they hold the same row; the origin is named where it is one of them. */
const representative = <C extends Candidate>({ version, holders }: HeldVersion<C>): C =>
  holders.find(({ holder }) => holder === version.origin) ?? (holders[0] as C);
