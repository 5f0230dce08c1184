/** The live view: how much is written, how much was carried, how far behind everybody is, how many conflicts were decided. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openControlStore } from '../src/control/store.ts';
import { readSyncStates, type StoredSyncState } from '../src/control/sync-state.ts';
import { parseConninfo } from '../src/model/conninfo.ts';
import { connect } from '../src/pg/conninfo.ts';
import type { Site } from './writers.ts';

interface Options {
  readonly sites: readonly Site[];
  readonly control: string;
  readonly signal: AbortSignal;
  readonly say: (text?: string) => void;
}

/** Until the signal: lines that rewrite themselves on a terminal, a line every two seconds elsewhere. */
export const showLive = async ({ sites, control, signal, say }: Options): Promise<void> => {
  await using store = await openControlStore({
    connect: () =>
      connect(parseConninfo(control), { label: 'the control database', applicationName: 'demo' }),
    schema: 'tahr',
  });
  const isTerminal = process.stdout.isTTY;
  const intervalMs = isTerminal ? 500 : 2000;
  let before = sites.map(({ transactions }) => transactions);
  let height = 0;
  while (!signal.aborted) {
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
    const rates = sites.map(({ transactions }, index) =>
      Math.round(((transactions - (before[index] ?? 0)) * 1000) / intervalMs),
    );
    before = sites.map(({ transactions }) => transactions);
    const states = await store.transaction(readSyncStates);
    const lines = isTerminal ? tableOf(sites, rates, states) : [lineOf(sites, rates, states)];
    if (isTerminal && height > 0) process.stdout.write(`\u001b[${height}A\u001b[J`);
    for (const line of lines) say(line);
    height = lines.length;
  }
};

const conflictsOf = (states: readonly StoredSyncState[]): number =>
  Math.max(0, ...states.map(({ totals }) => totals.conflicts));

const appliedOf = ({ totals }: StoredSyncState): number => totals.inserted + totals.updated + totals.deleted;

const tableOf = (
  sites: readonly Site[],
  rates: readonly number[],
  states: readonly StoredSyncState[],
): string[] => [
  'database   written here   rows received   seconds behind   state',
  ...states.map((state) => {
    const index = sites.findIndex(({ name }) => name === state.database);
    const written = index === -1 ? '-' : `${rates[index]} tx/s`;
    return [
      state.database.padEnd(8),
      written.padStart(14),
      String(appliedOf(state)).padStart(15),
      (state.secondsBehind ?? 0).toFixed(1).padStart(16),
      `  ${state.state}`,
    ].join(' ');
  }),
  `conflicts decided: ${conflictsOf(states)}`,
];

const lineOf = (
  sites: readonly Site[],
  rates: readonly number[],
  states: readonly StoredSyncState[],
): string => {
  const written = sites.map(({ name }, index) => `${name} ${rates[index]} tx/s`).join(', ');
  const received = states.map(
    (state) =>
      `${state.database} ${appliedOf(state)} rows (${(state.secondsBehind ?? 0).toFixed(1)} s behind)`,
  );
  return `written: ${written} | received: ${received.join(', ')} | conflicts decided: ${conflictsOf(states)}`;
};
