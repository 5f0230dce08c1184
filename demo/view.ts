/** The live view: how much is written, how much was carried, how far behind everybody is, how many conflicts were decided. */
import { setTimeout as sleep } from 'node:timers/promises';
import { formatCount } from '../src/cli/amounts.ts';
import { behind } from '../src/cli/status/text.ts';
import { textTable } from '../src/cli/text-table.ts';
import type { ControlStore } from '../src/control/store.ts';
import { readSyncStates, type StoredSyncState } from '../src/control/sync-state.ts';
import type { Site } from './writers.ts';

interface Options {
  readonly sites: readonly Site[];
  readonly store: ControlStore;
  readonly say: (text?: string) => void;
}

/** On a terminal a table that rewrites itself, a line every two seconds elsewhere. */
export class LiveView {
  readonly #options: Options;
  readonly #isTerminal = process.stdout.isTTY;
  readonly #startedAt = Date.now();
  /** Of the table on the terminal, which is the last thing that was written there. */
  #height = 0;

  constructor(options: Options) {
    this.#options = options;
  }

  /** An event, which stays where it is while the table goes on below it. */
  tell(text: string): void {
    this.#write([`${this.#time()}  ${text}`]);
    this.#height = 0;
  }

  /** Until the signal. */
  async run(signal: AbortSignal): Promise<void> {
    const { sites, store } = this.#options;
    const intervalMs = this.#isTerminal ? 500 : 2000;
    let before = sites.map(({ transactions }) => transactions);
    let beforeAt = Date.now();
    for (;;) {
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const states = await store.transaction(readSyncStates);
      const elapsedS = (Date.now() - beforeAt) / 1000;
      const rates = sites.map(({ transactions }, index) =>
        Math.round((transactions - (before[index] ?? 0)) / elapsedS),
      );
      before = sites.map(({ transactions }) => transactions);
      beforeAt = Date.now();
      this.#show(states.map((state, index) => ({ state, rate: rates[index] ?? 0 })));
    }
  }

  #show(activities: readonly Activity[]): void {
    if (!this.#isTerminal) return this.#write([`${this.#time()}  ${lineOf(activities)}`]);
    const lines = tableOf(activities);
    this.#write(lines);
    this.#height = lines.length;
  }

  #write(lines: readonly string[]): void {
    if (this.#height > 0) process.stdout.write(`\u001B[${this.#height}A\u001B[J`);
    for (const line of lines) this.#options.say(line);
  }

  /** Since the applications began. */
  #time(): string {
    return `${((Date.now() - this.#startedAt) / 1000).toFixed(0).padStart(3)} s`;
  }
}

interface Activity {
  readonly state: StoredSyncState;
  /** Transactions of the applications in a second. */
  readonly rate: number;
}

const columns = [
  { title: 'Database' },
  { title: 'Written', align: 'right' },
  { title: 'Received', align: 'right' },
  { title: 'Behind', align: 'right' },
  { title: 'State' },
] as const;

const tableOf = (activities: readonly Activity[]): string[] => {
  const rows = activities.map(({ state, rate }) => [
    state.database,
    `${rate} tx/s`,
    `${formatCount(rowsReceived(state))} rows`,
    behindOf(state),
    conditionOf(state),
  ]);
  return ['', ...textTable(columns, rows).split('\n'), '', ` ${conflictsOf(activities)}`];
};

const lineOf = (activities: readonly Activity[]): string => {
  const parts = activities.map(({ state, rate }) => {
    const flow = `${state.database}: ${rate} tx/s, ${formatCount(rowsReceived(state))} rows in`;
    return [flow, ...troubleOf(state)].join(', ');
  });
  return [...parts, conflictsOf(activities)].join(' | ');
};

const troubleOf = (state: StoredSyncState): string[] => [
  ...(['idle', 'running'].includes(state.state) ? [] : [conditionOf(state)]),
  ...(['0', '-'].includes(behindOf(state)) ? [] : [`${behindOf(state)} behind`]),
];

/** In the words of `tahr status`. */
const conditionOf = ({ state, waitingFor }: StoredSyncState): string =>
  waitingFor === null ? state : `${state} for ${waitingFor}`;

/** A database that has just gone away is still stored as in step until it is measured, a few seconds later. */
const behindOf = (state: StoredSyncState): string =>
  state.state === 'waiting' && state.rowsBehind === 0 ? '-' : behind(state);

/** Each database of a conflict counts it. */
const conflictsOf = (activities: readonly Activity[]): string =>
  `conflicts decided: ${Math.max(0, ...activities.map(({ state }) => state.totals.conflicts))}`;

export const rowsReceived = ({ totals }: StoredSyncState): number =>
  totals.inserted + totals.updated + totals.deleted;
