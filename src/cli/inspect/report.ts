/** What `inspect` shows of a sync: the lanes by written database, and each conflict once. Pure. */
import type { AbsentDatabase, LaneInspection, SyncInspection } from '../../daemon/inspection.ts';
import type { ReplicationError } from '../../model/errors.ts';
import { type DatabaseName, formatRelation, type SyncDefinition } from '../../model/topology.ts';
import type { PreviewedConflict } from '../../replication/preview-conflicts.ts';
import type { DatabasePreview, TablePreview } from '../../replication/preview.ts';

export interface InspectionReport {
  readonly sync: SyncDefinition;
  readonly databases: readonly DatabaseOutlook[];
  readonly conflicts: readonly TableConflicts[];
  readonly absent: readonly AbsentDatabase[];
}

export interface DatabaseOutlook {
  readonly to: DatabaseName;
  readonly tables: readonly TablePreview[];
  /** It would take note that a copy of it was asked for. */
  readonly startsAnew: boolean;
  /** No round can begin before this database answers. */
  readonly waitingFor: DatabaseName | null;
  /** Why the round would fail. */
  readonly error: ReplicationError | null;
}

export interface TableConflicts {
  readonly table: string;
  readonly strategy: string;
  /** Also of those that are not listed. */
  readonly totalCount: number;
  readonly listed: readonly (PreviewedConflict & { readonly decidedOn: readonly DatabaseName[] })[];
}

const listedMax = 100;

export const buildInspectionReport = ({ sync, lanes, absent }: SyncInspection): InspectionReport => ({
  sync,
  databases: lanes.flatMap(outlooksOf),
  conflicts: conflictsOf(lanes),
  absent,
});

const outlooksOf = ({ plan, outlook }: LaneInspection): DatabaseOutlook[] => {
  const nothing = { tables: [], startsAnew: false, waitingFor: null, error: null };
  const written = plan.written.map(({ database }) => database.name);
  switch (outlook.kind) {
    case 'planned':
      return outlook.databases.map(({ database, problem, ...preview }) => ({
        ...nothing,
        ...preview,
        to: database,
        error: problem,
      }));
    case 'waiting':
      return written.map((to) => ({ ...nothing, to, waitingFor: outlook.database.name }));
    case 'failing':
      return written.map((to) => ({ ...nothing, to, error: outlook.error }));
    default:
      return outlook satisfies never;
  }
};

/** A conflict is decided on every database that has to do with it, everywhere with the same verdict. */
const conflictsOf = (lanes: readonly LaneInspection[]): TableConflicts[] => {
  const previews = lanes.flatMap(({ outlook }) => (outlook.kind === 'planned' ? outlook.databases : []));
  const tables = Map.groupBy(previews.flatMap(tablesOf), ({ table }) => formatRelation(table));
  return [...tables].flatMap(([table, found]) => {
    const listed = Map.groupBy(
      found.flatMap(({ conflicts, on }) => conflicts.listed.map((conflict) => ({ conflict, on }))),
      ({ conflict }) => conflict.id,
    );
    const totalCount = Math.max(listed.size, ...found.map(({ conflicts }) => conflicts.totalCount));
    if (totalCount === 0) return [];
    const shown = [...listed.values()]
      .slice(0, listedMax)
      .flatMap(([first, ...others]) =>
        first === undefined ? [] : [{ ...first.conflict, decidedOn: [first, ...others].map(({ on }) => on) }],
      );
    return [{ table, strategy: found[0]?.strategy ?? '', totalCount, listed: shown }];
  });
};

type RowsPreview = Extract<TablePreview, { readonly kind: 'rows' }>;

const tablesOf = ({ database, tables }: DatabasePreview): (RowsPreview & { readonly on: DatabaseName })[] =>
  tables.flatMap((table) => (table.kind === 'rows' ? [{ ...table, on: database }] : []));
