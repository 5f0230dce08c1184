/** The conflicts that a look at the next round has found on one database, up to a limit. */
import { describeStaged, type StagedRow } from '../connectors/postgres/stage-view.ts';
import type { RecordedVersion } from '../connectors/postgres/conflict-record.ts';
import type { StagePlace, StagePlan } from '../connectors/postgres/stage.ts';
import type { DatabaseId, DatabaseName } from '../model/topology.ts';
import type { Session } from '../pg/session.ts';
import { type DecidedConflict, recordedVersions } from './apply/decide.ts';
import { strategyOf } from './apply/settle-table.ts';
import type { RoundContext } from './round.ts';

export interface PreviewedVersion {
  /** Where it was made. */
  readonly origin: DatabaseName;
  /** Whose version of the row it is now: its origin, or a database that received it. */
  readonly holder: DatabaseName;
  readonly xid: bigint;
  readonly atMicros: bigint;
  readonly isDeletion: boolean;
}

export interface PreviewedConflict {
  /** The same on every database that decides it. */
  readonly id: string;
  readonly key: string;
  /** Null: a person has to decide. */
  readonly winner: DatabaseName | null;
  /** The winner first. */
  readonly versions: readonly PreviewedVersion[];
}

export interface ConflictPreview {
  readonly listed: readonly PreviewedConflict[];
  readonly totalCount: number;
}

/** Of each table and database; so memory stays bounded. */
const listedMax = 100;

interface ListOptions {
  readonly context: RoundContext;
  readonly session: Session;
  readonly plan: StagePlan;
}

export class ConflictList {
  readonly #options: ListOptions;
  readonly #listed: PreviewedConflict[] = [];
  #unlistedCount = 0;

  constructor(options: ListOptions) {
    this.#options = options;
  }

  /** A page of them. One of which no version has a row is none: it is not recorded either. */
  async add(conflicts: readonly DecidedConflict[]): Promise<void> {
    const shown = conflicts.slice(0, listedMax - this.#listed.length);
    this.#unlistedCount += conflicts.length - shown.length;
    if (shown.length === 0) return;
    const { session, plan } = this.#options;
    const versions = recordedVersions(shown);
    const rows = await describeStaged(
      session,
      plan,
      versions.map(({ stagePlace }) => stagePlace),
    );
    for (const involved of Map.groupBy(versions, ({ conflict }) => conflict).values()) {
      const conflict = this.#describe(involved, rows);
      if (conflict.versions.some(({ isDeletion }) => !isDeletion)) this.#listed.push(conflict);
    }
  }

  preview(): ConflictPreview {
    return { listed: this.#listed, totalCount: this.#listed.length + this.#unlistedCount };
  }

  #describe(
    involved: readonly RecordedVersion[],
    rows: ReadonlyMap<StagePlace, StagedRow>,
  ): PreviewedConflict {
    const { context, plan } = this.#options;
    const rowOf = ({ stagePlace }: RecordedVersion): StagedRow => rows.get(stagePlace) as StagedRow;
    const [key = ''] = involved.map((version) => rowOf(version).key).sort();
    const isLeftOpen = strategyOf(context, plan.id).strategy.kind === 'abort';
    const winner = involved.find(({ isWinner }) => isWinner);
    return {
      id: `${plan.id} ${key} ${involved[0]?.signature ?? ''}`,
      key,
      winner: winner === undefined || isLeftOpen ? null : this.#name(winner.origin),
      versions: involved.map((version) => ({
        origin: this.#name(version.origin),
        holder: this.#name(version.holder),
        xid: version.xid,
        atMicros: version.atMicros,
        isDeletion: !(version.isLocal ? rowOf(version).isThere : rowOf(version).isPresent),
      })),
    };
  }

  #name(id: DatabaseId): DatabaseName {
    const member = this.#options.context.sync.members.find(({ database }) => database.id === id);
    return member?.database.name ?? (`database ${id}` as DatabaseName);
  }
}
