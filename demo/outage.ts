/** A server is stopped while everybody writes, started again, and catches up. */
import { setTimeout as sleep } from 'node:timers/promises';
import { formatCount } from '../src/cli/amounts.ts';
import type { ControlStore } from '../src/control/store.ts';
import { readSyncStates, type StoredSyncState } from '../src/control/sync-state.ts';
import type { Server } from '../tools/embedded-postgres.ts';
import { rowsReceived } from './view.ts';

interface Options {
  readonly name: string;
  readonly server: Server;
  readonly store: ControlStore;
  /** How long it is there, how long it is away, and how long it is there afterwards. */
  readonly phaseMs: number;
  readonly signal: AbortSignal;
  readonly tell: (text: string) => void;
}

/** Again and again until the signal. The server runs when this returns. */
export const takeAwayAndBack = async (options: Options): Promise<void> => {
  const { name, server, phaseMs, signal, tell } = options;
  for (;;) {
    await pause(phaseMs, signal);
    if (signal.aborted) return;
    tell(`The server of ${name} is stopped. The others go on.`);
    await server.stop();
    const before = await stateOf(options);
    await pause(phaseMs, signal);
    tell(`The server of ${name} is started again.`);
    const startedAt = Date.now();
    await server.start();
    const after = await caughtUp(options, startedAt);
    if (after !== null) tell(catchUpText(name, { before, after, startedAt }));
    await pause(Math.max(0, startedAt + phaseMs - Date.now()), signal);
  }
};

/** Ends early, without an error, with the signal. */
const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  sleep(ms, undefined, { signal }).catch(() => undefined);

const stateOf = async ({ store, name }: Options): Promise<StoredSyncState | null> => {
  const states = await store.transaction(readSyncStates);
  return states.find(({ database }) => database === name) ?? null;
};

/** Its state after the first round in which it took part again; null when the signal came before. */
const caughtUp = async (options: Options, startedAt: number): Promise<StoredSyncState | null> => {
  while (!options.signal.aborted) {
    const state = await stateOf(options);
    if (state?.state === 'idle' && (state.lastGoodAt ?? 0) > startedAt) return state;
    await pause(50, options.signal);
  }
  return null;
};

interface CatchUp {
  readonly before: StoredSyncState | null;
  readonly after: StoredSyncState;
  readonly startedAt: number;
}

const catchUpText = (name: string, { before, after, startedAt }: CatchUp): string => {
  const rowCount = formatCount(rowsReceived(after) - (before === null ? 0 : rowsReceived(before)));
  const seconds = ((after.lastGoodAt ?? 0) - startedAt) / 1000;
  return `${name} has caught up: ${rowCount} rows, ${seconds.toFixed(1)} s after its start.`;
};
