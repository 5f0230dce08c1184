/** `status` for people. Pure, but for the colours of the terminal. */
import { formatAge, formatBytes, formatCount, formatDuration, formatTime } from '../amounts.ts';
import type { Output, Paint } from '../output.ts';
import { textTable } from '../text-table.ts';
import type { DaemonReport, KnownState, StatusReport, SyncCondition, SyncReport } from './report.ts';

export interface View {
  readonly out: Pick<Output, 'paint'>;
  readonly now: number;
}

/** All syncs: who works, a table, and below it what is wrong with whom. */
export const overviewText = (report: StatusReport, view: View): string =>
  [
    daemonLines(report, view),
    '',
    syncTable(report, view),
    ...report.syncs.flatMap((sync) => troubleLines(sync, view)),
  ].join('\n');

/** One for each. */
export const daemonLines = ({ daemons }: StatusReport, view: View): string =>
  daemons.length === 0
    ? `Daemon: ${view.out.paint('red', 'not running')}; \`tahr start\` starts it`
    : daemons.map((daemon) => daemonLine(daemon, view)).join('\n');

const daemonLine = (
  { host, pid, startedAt, syncCount, isStopRequested }: DaemonReport,
  { now }: View,
): string => {
  const syncs = syncCount === 1 ? '1 sync' : `${syncCount} syncs`;
  const stopping = isStopRequested ? ', asked to stop' : '';
  return `Daemon: running for ${formatAge(startedAt, now)}, process ${pid} on ${host}, ${syncs}${stopping}`;
};

const colours: Partial<Record<SyncCondition, Paint>> = {
  stopped: 'red',
  retrying: 'red',
  'no daemon': 'red',
  waiting: 'yellow',
  copying: 'yellow',
  paused: 'yellow',
  inactive: 'gray',
};

export const paintCondition = (condition: SyncCondition, { out }: View): string =>
  out.paint(colours[condition] ?? 'green', condition);

export const syncCondition = ({ condition, isHealthy, lateness }: SyncReport, view: View): string => {
  const late = lateness === null ? '' : `, ${view.out.paint('red', lateness)}`;
  return `${paintCondition(condition, view)}${late}${isHealthy ? '' : ' (unhealthy)'}`;
};

const columns = [
  { title: 'Name' },
  { title: 'State' },
  { title: 'Last good' },
  { title: 'Time', align: 'right' },
  { title: 'Total I/U/D', align: 'right' },
  { title: 'Conflicts', align: 'right' },
  { title: 'Last bad' },
  { title: 'Time', align: 'right' },
  { title: 'Behind', align: 'right' },
] as const;

/** Who works on a sync is of interest only when there are several. */
const syncTable = ({ syncs, daemons }: StatusReport, view: View): string => {
  const isShared = daemons.length > 1;
  return textTable(
    isShared ? [...columns, { title: 'Daemon' }] : columns,
    syncs.map((report) => [
      report.sync.name,
      syncCondition(report, view),
      time(report.lastGoodAt, view),
      age(report.lastGoodAt, view),
      changes(report.totals),
      formatCount(report.totals.conflicts),
      time(report.lastBadAt, view),
      age(report.lastBadAt, view),
      behind(report),
      ...(isShared ? [daemonName(report)] : []),
    ]),
  );
};

export const daemonName = ({ daemon }: SyncReport): string =>
  daemon === null ? 'none' : `process ${daemon.pid} on ${daemon.host}`;

export const time = (at: number | null, { now }: View): string =>
  at === null ? 'none' : formatTime(at, now);
export const age = (at: number | null, { now }: View): string => (at === null ? '' : formatAge(at, now));

export const changes = ({ inserted, updated, deleted }: SyncReport['totals']): string =>
  [inserted, updated, deleted].map(formatCount).join(' / ');

/** `12 rows, 3.4s`; `0` when in step; `-` when nobody measures it. */
export const behind = ({
  rowsBehind,
  secondsBehind,
}: Pick<SyncReport, 'rowsBehind' | 'secondsBehind'>): string => {
  if (rowsBehind === null && secondsBehind === null) return '-';
  if (rowsBehind === 0 || (rowsBehind === null && secondsBehind === 0)) return '0';
  return [
    ...(rowsBehind === null ? [] : [rowsBehind === 1 ? '1 row' : `${formatCount(rowsBehind)} rows`]),
    ...(secondsBehind === null ? [] : [formatDuration(secondsBehind * 1000)]),
  ].join(', ');
};

const troubleLines = (report: SyncReport, view: View): string[] => {
  const lines = report.databases.flatMap(({ name, state }) =>
    state === null ? [] : workLines(name, state, view),
  );
  const all = [...(isLive(report) ? lines : []), ...report.notices];
  return all.length === 0 ? [] : ['', `${report.sync.name}:`, ...all.map((line) => `  ${line}`)];
};

const isLive = ({ condition }: SyncReport): boolean => !['inactive', 'no daemon'].includes(condition);

/** What a database waits for, how far its copy is, why it failed; nothing for one in step. */
export const workLines = (name: string, state: KnownState, view: View): string[] => [
  ...(isLiveDatabase(state) ? liveLines(name, state, view) : lastFailureLine(name, state, view)),
  ...(isErrorShown(state) ? errorLines(state) : []),
];

/** Of the others the daemon tells nothing now. */
const isLiveDatabase = ({ condition }: KnownState): boolean =>
  !['paused', 'inactive', 'no daemon'].includes(condition);

const liveLines = (name: string, state: KnownState, { now }: View): string[] => {
  const since = `since ${formatTime(state.since, now)} (${formatAge(state.since, now)})`;
  const lines: string[] = [];
  if (state.copy !== null) {
    const { tablesDone, tablesTotal, bytesDone } = state.copy;
    lines.push(
      `${name}: copying ${since}: ${tablesDone} of ${tablesTotal} tables, ${formatBytes(bytesDone)}`,
    );
  }
  if (state.condition === 'waiting' && state.waitingFor !== null)
    lines.push(`${name}: waiting for ${state.waitingFor} ${since}`);
  if (state.condition === 'stopped') lines.push(`${name}: stopped ${since}`);
  if (state.condition === 'retrying') {
    const next = state.retryAt === null ? 'soon' : `in ${formatDuration(state.retryAt - now)}`;
    lines.push(`${name}: failing ${since}, trying again ${next}`);
  }
  return lines;
};

const lastFailureLine = (name: string, state: KnownState, view: View): string[] =>
  isErrorShown(state) ? [`${name}: failed last at ${time(state.lastBadAt, view)}`] : [];

/** What it waits for has not failed in a round, so there is no time of it. */
const isErrorShown = ({ condition, lastError, lastBadAt, lastGoodAt }: KnownState): boolean =>
  lastError !== null && (condition === 'waiting' || (lastBadAt !== null && lastBadAt >= (lastGoodAt ?? 0)));

const errorLines = ({ lastError }: KnownState): string[] =>
  lastError === null ? [] : [`  ${lastError.message.replaceAll('\n', '\n    ')}`, `  ${lastError.hint}`];
