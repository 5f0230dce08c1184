/** `inspect` for people. Pure, but for the colours of the terminal. */
import type { AbsentDatabase } from '../../daemon/inspection.ts';
import { formatRelation, type SyncDefinition } from '../../model/topology.ts';
import type { PreviewedConflict, PreviewedVersion } from '../../replication/preview-conflicts.ts';
import { formatCount, formatMicros } from '../amounts.ts';
import { formatError, type Output } from '../output.ts';
import { textTable } from '../text-table.ts';
import type { DatabaseOutlook, InspectionReport, TableConflicts } from './report.ts';

export const inspectionText = (report: InspectionReport, out: Pick<Output, 'paint'>): string =>
  [
    `Sync ${report.sync.name}: what the next round would do`,
    ...atRestLines(report.sync),
    ...rowTable(report.databases),
    ...section('Copies of whole tables', copyLines(report.databases)),
    ...section('No rows for', idleLine(report.databases)),
    ...section('Waiting', waitingLines(report.databases)),
    ...section(
      out.paint('red', 'The round would fail'),
      report.databases.flatMap(({ to, error }) => (error === null ? [] : named(to, formatError(error)))),
    ),
    ...conflictLines(report.conflicts),
    ...section('Not taking part', report.absent.flatMap(absentLines)),
  ].join('\n');

const atRestLines = ({ name, status, isPaused }: SyncDefinition): string[] => {
  if (status === 'inactive') return [`It is inactive: no round begins before \`tahr activate ${name}\`.`];
  return isPaused ? [`It is paused: no round begins before \`tahr resume ${name}\`.`] : [];
};

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ['', `${title}:`, ...lines.map((line) => `  ${line}`)];

const named = (name: string, text: string): string[] => `${name}: ${text}`.split('\n');

const rowColumns = [
  { title: 'To' },
  { title: 'Table' },
  { title: 'From' },
  { title: 'Insert', align: 'right' },
  { title: 'Update', align: 'right' },
  { title: 'Delete', align: 'right' },
  { title: 'Equal', align: 'right' },
  { title: 'Not taken', align: 'right' },
] as const;

const rowTable = (databases: readonly DatabaseOutlook[]): string[] => {
  const rows = databases.flatMap(({ to, tables }) =>
    tables.flatMap((table) =>
      table.kind === 'copy'
        ? []
        : table.bySource.map(({ from, ...counts }) => [
            to,
            formatRelation(table.table),
            from,
            ...[counts.inserted, counts.updated, counts.deleted, counts.equal, counts.notTaken].map(
              formatCount,
            ),
          ]),
    ),
  );
  return rows.length === 0 ? [] : ['', textTable(rowColumns, rows)];
};

const copyLines = (databases: readonly DatabaseOutlook[]): string[] =>
  databases.flatMap(({ to, tables, startsAnew }) => {
    const copies = tables.flatMap((table) => (table.kind === 'copy' ? [table] : []));
    const bySource = Map.groupBy(copies, ({ from }) => from);
    return [
      ...(startsAnew ? [`${to}: takes note that a copy was asked for`] : []),
      ...[...bySource].map(
        ([from, found]) =>
          `${to}: from ${from} ${found.map(({ table }) => formatRelation(table)).join(', ')}`,
      ),
    ];
  });

const idleLine = (databases: readonly DatabaseOutlook[]): string[] => {
  const idle = databases.filter(
    ({ tables, startsAnew, waitingFor, error }) =>
      tables.length === 0 && !startsAnew && waitingFor === null && error === null,
  );
  return idle.length === 0 ? [] : [idle.map(({ to }) => to).join(', ')];
};

/** One that is away itself is listed with those. */
const waitingLines = (databases: readonly DatabaseOutlook[]): string[] =>
  databases.flatMap(({ to, waitingFor }) =>
    waitingFor === null || waitingFor === to ? [] : [`${to}: for database ${waitingFor}`],
  );

const conflictColumns = ['Table', 'Key', 'Winner', 'Versions', 'Strategy'].map((title) => ({ title }));

const conflictLines = (conflicts: readonly TableConflicts[]): string[] => {
  if (conflicts.length === 0) return [];
  const rows = conflicts.flatMap(({ table, strategy, listed }) =>
    listed.map((conflict) => conflictRow(conflict, { table, strategy })),
  );
  const more = conflicts.flatMap(({ table, listed, totalCount }) =>
    totalCount > listed.length ? [`and ${formatCount(totalCount - listed.length)} more in ${table}`] : [],
  );
  return ['', 'Conflicts:', textTable(conflictColumns, rows), ...more];
};

const conflictRow = (
  { key, winner, versions }: PreviewedConflict,
  { table, strategy }: { readonly table: string; readonly strategy: string },
): string[] => [table, key, winner ?? 'undecided', versions.map(versionText).join(', '), strategy];

const versionText = ({ origin, holder, xid, atMicros, isDeletion }: PreviewedVersion): string => {
  const facts = [
    `xid ${xid}`,
    ...(isDeletion ? ['deleted'] : []),
    ...(holder === origin ? [] : [`held by ${holder}`]),
  ];
  return `${origin} ${formatMicros(atMicros)} (${facts.join(', ')})`;
};

const absentLines = ({ database, error }: AbsentDatabase): string[] =>
  error === null
    ? [`${database.name}: inactive`]
    : named(`${database.name} (${error.code})`, formatError(error));
