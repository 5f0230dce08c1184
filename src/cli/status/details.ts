/** `status SYNC` for people: everything about one sync. Pure, but for the colours of the terminal. */
import { formatRelation } from '../../model/topology.ts';
import { formatCount, formatDuration, formatInterval } from '../amounts.ts';
import { factLines, textTable } from '../text-table.ts';
import { mappingLines } from './mapping.ts';
import type { DatabaseClock, DatabaseReport, KnownState, SyncReport } from './report.ts';
import {
  age,
  behind,
  changes,
  daemonName,
  paintCondition,
  syncCondition,
  time,
  type View,
  workLines,
} from './text.ts';

const rule = '='.repeat(70);

export const detailsText = (report: SyncReport, view: View): string => {
  const work = report.databases.flatMap(({ name, state }) =>
    state === null ? [] : workLines(name, state, view),
  );
  return [
    rule,
    ...factLines(facts(report, view)),
    '',
    databaseTable(report, view),
    ...section('Mapping', mappingLines(report.sync)),
    ...section('Work', work),
    ...section('Clocks', report.clocks.map(clockLine)),
    ...section('Notices', report.notices),
    ...section('Last rounds', roundLines(report, view)),
    rule,
  ].join('\n');
};

const facts = (report: SyncReport, view: View): [string, string | null][] => {
  const { sync } = report;
  const ran = report.lastGoodMs === null ? '' : ` (time to run: ${formatDuration(report.lastGoodMs)})`;
  const isFailing = report.error !== null;
  return [
    ['Sync name', sync.name],
    ['Current state', syncCondition(report, view)],
    ['Daemon', daemonName(report)],
    ['Last good', `${time(report.lastGoodAt, view)}${ran}`],
    ['Last bad', time(report.lastBadAt, view)],
    ['Rows inserted/updated/deleted', changes(report.totals)],
    ['Conflicts', formatCount(report.totals.conflicts)],
    [
      'Source relgroup/database',
      `${sync.relgroup} / ${sync.members
        .filter(({ role }) => role === 'source')
        .map(({ database }) => database.name)
        .join(', ')}`,
    ],
    [
      'Tables in sync',
      `${sync.relations.length}: ${sync.relations.map(({ relation }) => formatRelation(relation)).join(', ')}`,
    ],
    ['Status', `${sync.status}${sync.isPaused ? ', paused' : ''}`],
    ['Check time', formatInterval(sync.checktimeMs)],
    ['Cron', sync.cron],
    ['Overdue', sync.overdueMs === null ? null : formatDuration(sync.overdueMs)],
    ['Expired', sync.expiredMs === null ? null : formatDuration(sync.expiredMs)],
    ['Autokick', sync.autokick ? 'yes' : 'no'],
    ['Onetimecopy', String(sync.onetimecopy)],
    ['Conflict strategy', sync.conflictStrategy],
    ['Last error', isFailing ? `${report.error?.message} (${report.error?.code})` : null],
  ];
};

const columns = [
  { title: 'Database' },
  { title: 'Role' },
  { title: 'State' },
  { title: 'Behind', align: 'right' },
  { title: 'Total I/U/D', align: 'right' },
  { title: 'Last good' },
  { title: 'Time', align: 'right' },
  { title: 'Last bad' },
] as const;

const databaseTable = (report: SyncReport, view: View): string =>
  textTable(
    columns,
    report.databases.map((database) => databaseRow(database, view)),
  );

const databaseRow = ({ name, role, copiedFrom, state }: DatabaseReport, view: View): string[] => {
  const task = copiedFrom === null ? role : `${role} of ${copiedFrom}`;
  if (state === null) return [name, task, 'nothing to tell', '', '', '', '', ''];
  return [
    name,
    task,
    `${paintCondition(state.condition, view)}${asOf(state, view)}`,
    behind(state),
    changes(state.totals),
    time(state.lastGoodAt, view),
    age(state.lastGoodAt, view),
    time(state.lastBadAt, view),
  ];
};

/** Without a daemon the facts are as old as they are. */
const asOf = ({ condition, updatedAt }: KnownState, view: View): string =>
  condition === 'no daemon' ? `, as of ${time(updatedAt, view)}` : '';

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ['', `${title}:`, ...lines.map((line) => `  ${line}`)];

const clockLine = ({ name, aheadMs, errorMs, correctedMs }: DatabaseClock): string => {
  const lead = `${shortTime(Math.abs(aheadMs))} ${aheadMs < 0 ? 'behind' : 'ahead of'} the control database (±${shortTime(errorMs)})`;
  return correctedMs === 0 ? `${name}: ${lead}` : `${name}: ${lead}, taken off the times of its changes`;
};

const shortTime = (ms: number): string => (ms < 1_000 ? `${Math.round(ms)}ms` : formatDuration(ms));

const roundLines = ({ rounds }: SyncReport, view: View): string[] =>
  rounds.map(({ database, endedAt, startedAt, outcome, errorMessage, ...counts }) => {
    const result = outcome === 'good' ? `${changes(counts)} rows` : (errorMessage ?? '');
    return `${time(endedAt, view)}  ${database}  ${outcome}  ${formatDuration(endedAt - startedAt)}  ${result}`;
  });
