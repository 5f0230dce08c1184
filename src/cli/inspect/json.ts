/** `inspect` for programs. */
import { formatRelation } from '../../model/topology.ts';
import type { TablePreview } from '../../replication/preview.ts';
import { formatMicros } from '../amounts.ts';
import { errorJson } from '../output.ts';
import type { DatabaseOutlook, InspectionReport, TableConflicts } from './report.ts';

export const inspectionJson = ({ sync, databases, conflicts, absent }: InspectionReport) => ({
  sync: sync.name,
  status: sync.status,
  isPaused: sync.isPaused,
  databases: databases.map(databaseJson),
  conflicts: conflicts.map(conflictsJson),
  absent: absent.map(({ database, error }) => ({
    database: database.name,
    error: error === null ? null : errorJson(error),
  })),
});

const databaseJson = ({ tables, error, ...outlook }: DatabaseOutlook) => ({
  ...outlook,
  error: error === null ? null : errorJson(error),
  tables: tables.map(tableJson),
});

const tableJson = (table: TablePreview) => ({
  table: formatRelation(table.table),
  copyFrom: table.kind === 'copy' ? table.from : null,
  sources: table.kind === 'copy' ? [] : table.bySource,
});

const conflictsJson = ({ listed, ...table }: TableConflicts) => ({
  ...table,
  listed: listed.map(({ key, winner, decidedOn, versions }) => ({
    key,
    winner,
    decidedOn,
    versions: versions.map(({ xid, atMicros, ...version }) => ({
      ...version,
      xid: String(xid),
      at: formatMicros(atMicros),
    })),
  })),
});
