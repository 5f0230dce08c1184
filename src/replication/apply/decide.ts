/**
 * From contested rows to what is done about them. Pure: the statements are made elsewhere from what this returns.
 */
import type { RecordedVersion } from '../../connectors/postgres/conflict-record.ts';
import type { ContestedRow, ContestedVersion } from '../../connectors/postgres/contest.ts';
import type { KeptVersion } from '../../connectors/postgres/notes.ts';
import type { StagePlace } from '../../connectors/postgres/stage.ts';
import { ReplicationError } from '../../model/errors.ts';
import type { DatabaseId, DatabaseName } from '../../model/topology.ts';
import { arbitrate, type Candidate } from '../plan/arbitrate.ts';
import { type Circumstances, preferenceOf, type Strategy } from '../plan/strategy.ts';

export interface Decisions {
  /** Staged rows that are not applied. */
  readonly lost: readonly StagePlace[];
  /** Staged rows that were chosen among contenders. */
  readonly chosen: readonly StagePlace[];
  /** Versions that the written database held already and keeps: chosen among contenders, or because nobody was chosen. */
  readonly kept: readonly KeptVersion[];
  /** Staged rows that go over an own change of the written database which is older, by what their makers knew. */
  readonly met: readonly StagePlace[];
  /** Staged rows that are not applied, and merged into the row that is there when the others are. */
  readonly merged: readonly StagePlace[];
  /** The same, of one that was chosen: the row that is there contends as well, and would be gone. */
  readonly chosenToMerge: readonly StagePlace[];
  /** No row had several contenders. */
  readonly isSettled: boolean;
  readonly conflicts: readonly DecidedConflict[];
}

/** A conflict with the versions that contended; without a winner where the strategy leaves it to a person. */
export interface DecidedConflict {
  readonly key: string;
  readonly winner: ContestedVersion | null;
  readonly losers: readonly ContestedVersion[];
  /** Any staged row of the key. */
  readonly stagePlace: StagePlace;
}

export interface DecideOptions {
  readonly contested: readonly ContestedRow[];
  readonly strategy: Strategy;
  readonly circumstances: Omit<Circumstances, 'key'>;
  readonly names: ReadonlyMap<DatabaseId, DatabaseName>;
  /** The contents of rows that contend become one. */
  readonly isMerged: boolean;
}

/** Decides a page of contested rows. */
export const decide = (options: DecideOptions): Decisions => {
  const rows = options.contested.map((row) => decideRow(row, options));
  return {
    lost: rows.flatMap(({ lost }) => lost),
    chosen: rows.flatMap(({ chosen }) => chosen),
    kept: rows.flatMap(({ kept }) => kept),
    met: rows.flatMap(({ met }) => met),
    merged: rows.flatMap(({ merged }) => merged),
    chosenToMerge: rows.flatMap(({ chosenToMerge }) => chosenToMerge),
    isSettled: rows.every(({ isSettled }) => isSettled),
    conflicts: rows.flatMap(({ conflict }) => conflict ?? []),
  };
};

/** Why a round with these conflicts must not go on; null when it may. */
export const abortion = (
  strategy: Strategy,
  { table, conflictCount }: { readonly table: string; readonly conflictCount: number },
): ReplicationError | null =>
  strategy.kind === 'abort' && conflictCount > 0 ? aborted(table, conflictCount) : null;

interface StagedCandidate extends Candidate {
  readonly contested: ContestedVersion;
}

type RowDecision = Omit<Decisions, 'conflicts'> & { readonly conflict: DecidedConflict | null };

const nothing: RowDecision = {
  lost: [],
  chosen: [],
  kept: [],
  met: [],
  merged: [],
  chosenToMerge: [],
  isSettled: true,
  conflict: null,
};

const decideRow = (row: ContestedRow, options: DecideOptions): RowDecision => {
  const { strategy, circumstances, names } = options;
  const candidates = candidatesOf(row.versions, names);
  const prefers = preferenceOf(strategy, { ...circumstances, key: row.key });
  const { winner, losers, contenders } = arbitrate(candidates, prefers);
  const staged = row.versions.flatMap(({ stagePlace }) => (stagePlace === null ? [] : [stagePlace]));
  const [stagePlace] = staged;
  if (stagePlace === undefined) throw new Error('a contested row that nobody sent');
  // Deletions do not differ, whatever there is to be deleted here.
  const isOfDeletions = contenders.every(({ contested }) => !contested.isPresent);
  const isSkipped = strategy.kind === 'skip' && row.differs && contenders.length > 1 && !isOfDeletions;
  const won = winner.contested;
  // Versions with the same content are no conflict, and those that know each other were recorded when they met.
  const conflict =
    row.differs && losers.length > 0 && !isOfDeletions
      ? {
          key: row.key,
          stagePlace,
          winner: isSkipped ? null : won,
          losers: (isSkipped ? contenders : losers).map(({ contested }) => contested),
        }
      : null;
  const isSettled = contenders.length === 1;
  const rest = { ...nothing, conflict, isSettled };
  if (isSkipped) return { ...rest, lost: staged, kept: keptOpen(row.versions, stagePlace) };
  const merge = options.isMerged && row.differs && won.isPresent ? mergeOf(won, contenders) : noMerge;
  const lost = staged.filter(
    (candidate) => candidate !== won.stagePlace && !merge.merged.includes(candidate),
  );
  const decided = { ...rest, lost, merged: merge.merged };
  if (won.stagePlace === null)
    return { ...decided, kept: isSettled ? [] : [{ ...won, stagePlace, isOpen: false }] };
  if (merge.isWinnerMerged) return { ...decided, chosenToMerge: [won.stagePlace] };
  if (!isSettled) return { ...decided, chosen: [won.stagePlace] };
  return { ...decided, met: staged.length < row.versions.length ? [won.stagePlace] : [] };
};

interface Merge {
  /** Staged rows but for the winner. */
  readonly merged: readonly StagePlace[];
  readonly isWinnerMerged: boolean;
}

const noMerge: Merge = { merged: [], isWinnerMerged: false };

/** Of rows that are there in several contending versions; what was deleted has nothing to merge. */
const mergeOf = (won: ContestedVersion, contenders: readonly StagedCandidate[]): Merge => {
  const present = contenders.map(({ contested }) => contested).filter(({ isPresent }) => isPresent);
  if (present.length < 2) return noMerge;
  const isOwnThere = present.some(({ stagePlace }) => stagePlace === null);
  return {
    merged: present.flatMap(({ stagePlace }) =>
      stagePlace === null || stagePlace === won.stagePlace ? [] : [stagePlace],
    ),
    isWinnerMerged: isOwnThere && won.stagePlace !== null,
  };
};

/** The own version is noted as kept, unless that was done before and there is nothing new. */
const keptOpen = (versions: readonly ContestedVersion[], stagePlace: StagePlace): KeptVersion[] => {
  const own = versions.find((version) => version.stagePlace === null);
  if (own === undefined) return [];
  const isNew = versions.some(({ knownBy }) => !knownBy.includes(own.holder));
  return own.isOpen && !isNew ? [] : [{ ...own, stagePlace, isOpen: true }];
};

/** The versions of conflicts as they are recorded: under an id that is made from them, so the same on every database. */
export const recordedVersions = (conflicts: readonly DecidedConflict[]): RecordedVersion[] =>
  conflicts.flatMap(({ winner, losers, stagePlace }, conflict) => {
    const involved = winner === null ? losers : [winner, ...losers];
    const signature = involved
      .map(({ origin, xid }) => `${origin}:${xid}`)
      .sort()
      .join(' ');
    return involved.map((version) => ({
      conflict,
      signature,
      stagePlace: version.stagePlace ?? stagePlace,
      isLocal: version.stagePlace === null,
      holder: version.holder,
      origin: version.origin,
      xid: version.xid,
      atMicros: version.atMicros,
      isWinner: version === winner,
    }));
  });

const candidatesOf = (
  versions: readonly ContestedVersion[],
  names: ReadonlyMap<DatabaseId, DatabaseName>,
): [StagedCandidate, ...StagedCandidate[]] => {
  const candidates = versions.map((contested) => ({
    contested,
    holder: contested.holder,
    isOpen: contested.isOpen,
    version: {
      origin: contested.origin,
      originName: names.get(contested.origin) ?? (String(contested.origin) as DatabaseName),
      xid: contested.xid,
      atMicros: contested.atMicros,
    },
    knownBy: new Set(contested.knownBy),
  }));
  const [first, ...rest] = candidates;
  if (first === undefined) throw new Error('a contested row without versions');
  return [first, ...rest];
};

const aborted = (table: string, count: number): ReplicationError =>
  new ReplicationError('conflict_abort', {
    message: `${count} ${count === 1 ? 'row' : 'rows'} of ${table} changed on several sources, and the conflict strategy is bucardo_abort.`,
    facts: { table, conflicts: count },
  });
