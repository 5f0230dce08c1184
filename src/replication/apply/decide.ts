/**
 * From contested rows to what is done about them. Pure: the statements are made elsewhere from what this returns.
 */
import type { ContestedVersion, RecordedVersion } from '../../connectors/postgres/contest.ts';
import { ReplicationError } from '../../model/errors.ts';
import type { DatabaseId, DatabaseName } from '../../model/topology.ts';
import { arbitrate, type Candidate } from '../plan/arbitrate.ts';
import type { Strategy } from '../plan/strategy.ts';

export interface Decisions {
  /** Staged rows that are not applied. */
  readonly lost: readonly number[];
  /** Staged rows that go over a change of the written database itself. */
  readonly relayed: readonly number[];
  readonly records: readonly RecordedVersion[];
  readonly conflictCount: number;
}

interface StagedCandidate extends Candidate {
  readonly stageRow: number | null;
}

/**
 * Decides a page of contested rows.
 * @throws ReplicationError `conflict_abort`
 */
export const decide = (options: {
  readonly contested: readonly (readonly ContestedVersion[])[];
  readonly strategy: Strategy;
  readonly names: ReadonlyMap<DatabaseId, DatabaseName>;
  readonly table: string;
}): Decisions => {
  const { contested, strategy, names, table } = options;
  const rows = contested.map((versions) => decideRow(candidatesOf(versions, names), strategy));
  const records = rows.flatMap(({ recorded }, index) =>
    recorded.map((version) => ({ ...version, conflict: index })),
  );
  if (strategy.kind === 'abort' && records.length > 0)
    throw aborted(table, rows.filter(({ recorded }) => recorded.length > 0).length);
  return {
    lost: rows.flatMap(({ lost }) => lost),
    relayed: rows.flatMap(({ relayed }) => relayed),
    records,
    conflictCount: rows.filter(({ recorded }) => recorded.length > 0).length,
  };
};

type RowDecision = Pick<Decisions, 'lost' | 'relayed'> & {
  readonly recorded: readonly Omit<RecordedVersion, 'conflict'>[];
};

const decideRow = (
  candidates: readonly [StagedCandidate, ...StagedCandidate[]],
  strategy: Strategy,
): RowDecision => {
  const verdict = arbitrate(candidates, strategy);
  const winner = verdict.winner as StagedCandidate;
  const losers = verdict.losers as readonly StagedCandidate[];
  const staged = candidates.flatMap(({ stageRow }) => (stageRow === null ? [] : [stageRow]));
  const isLocalWritten = winner.stageRow !== null && staged.length < candidates.length;
  const involved = [winner, ...losers];
  const signature = involved
    .map(({ version }) => `${version.origin}:${version.xid}`)
    .sort()
    .join(' ');
  return {
    lost: staged.filter((stageRow) => stageRow !== winner.stageRow),
    relayed: isLocalWritten && winner.stageRow !== null ? [winner.stageRow] : [],
    recorded:
      losers.length === 0
        ? []
        : involved.map((candidate) => ({
            signature,
            stageRow: candidate.stageRow ?? (staged[0] as number),
            isLocal: candidate.stageRow === null,
            holder: candidate.holder,
            origin: candidate.version.origin,
            xid: candidate.version.xid,
            atMicros: candidate.version.atMicros,
            isWinner: candidate === winner,
          })),
  };
};

const candidatesOf = (
  versions: readonly ContestedVersion[],
  names: ReadonlyMap<DatabaseId, DatabaseName>,
): [StagedCandidate, ...StagedCandidate[]] => {
  const candidates = versions.map((version) => ({
    stageRow: version.stageRow,
    holder: version.holder,
    version: {
      origin: version.origin,
      originName: names.get(version.origin) ?? (String(version.origin) as DatabaseName),
      xid: version.xid,
      atMicros: version.atMicros,
    },
    knownBy: new Set(version.knownBy),
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
