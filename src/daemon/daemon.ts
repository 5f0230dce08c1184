/**
 * The daemon: wires everything together, by hand and nowhere else, and lives until it is told to stop.
 *
 * It needs the control database to start, and goes on replicating without it afterwards.
 */
import { readFileSync } from 'node:fs';
import { type Config, controlOf } from '../config/config.ts';
import { purgeConflicts } from '../control/conflict-log.ts';
import { getInstallation } from '../control/installation.ts';
import { purgeKicks } from '../control/kick.ts';
import { purgeRounds } from '../control/round.ts';
import { type ControlEvent, ControlStore } from '../control/store.ts';
import { readSyncStates } from '../control/sync-state.ts';
import { isReplicationError } from '../model/errors.ts';
import { connect } from '../pg/conninfo.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { shipConflicts } from './conflict-shipper.ts';
import { ControlWriter } from './control-writer.ts';
import { Databases } from './databases.ts';
import { KickDesk } from './kick-desk.ts';
import { Maintenance } from './maintenance.ts';
import { type Periodic, repeat } from './periodic.ts';
import { Registration } from './registration.ts';
import { RoundGate } from './round-gate.ts';
import { StatusBoard } from './status-board.ts';
import { Supervisor } from './supervisor.ts';
import { Watchers } from './watchers.ts';

export interface DaemonOptions {
  readonly config: Config;
  readonly log: Log;
  /** Aborts when the daemon shall end its work and return. */
  readonly signal: AbortSignal;
}

const heartbeatEveryMs = 5_000;
const checkEveryMs = 5_000;
const refreshEveryMs = 10_000;
const flushEveryMs = 1_000;
const conflictsEveryMs = 3_000;
const maintenanceEveryMs = 15_000;
const purgeEveryMs = 3_600_000;
const historyMs = 30 * 24 * 3_600_000;
const keptRoundsMax = 10_000;

/**
 * Replicates until the signal aborts or a stop is asked for in the control store.
 * @throws ReplicationError `daemon_already_running`, `not_installed`
 */
export const runDaemon = async ({ config, log, signal }: DaemonOptions): Promise<void> => {
  const control = controlOf(config);
  await using store = new ControlStore({
    schema: config.schema,
    connect: () => connect(control, { label: 'the control database', applicationName: 'tahr' }),
  });
  const common = { store, log, clock: systemClock, random: Math.random };
  const logDestination = config.logDestination ?? 'stderr';
  const registration = await Registration.take({ ...common, version: ownVersion(), logDestination }, signal);
  if (registration === null) return;
  log.info('daemon is at work', { version: ownVersion(), pid: process.pid });
  try {
    await work({ ...common, registration, signal });
  } finally {
    await registration.giveBack();
    log.info('daemon has ended');
  }
};

interface Work {
  readonly store: ControlStore;
  readonly registration: Registration;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
}

const work = async ({ store, registration, log, clock, random, signal }: Work): Promise<void> => {
  const stopping = new AbortController();
  const isStopping = AbortSignal.any([stopping.signal, signal]);
  const { schema } = await store.transaction(getInstallation);
  await using databases = new Databases({ clock, log, random });
  const board = new StatusBoard(clock);
  board.load(await store.transaction(readSyncStates));
  const writer = new ControlWriter({ store, board, log });
  const write = writer.write.bind(writer);
  const watchers = new Watchers({
    schema,
    clock,
    random,
    log,
    onState: (database) => void databases.check(database),
    onChange: (database, tables) => supervisor.wake(database, tables),
  });
  const ship = () => shipConflicts({ store, databases, schema, syncs: supervisor.definitions });
  const supervisor = new Supervisor({
    store,
    watchers,
    schema,
    databases,
    gate: new RoundGate(),
    board,
    clock,
    random,
    log,
    write,
  });
  const kicks = new KickDesk({
    store,
    write,
    flush: () => writer.flush(),
    kick: (sync) => supervisor.kick(sync),
  });
  const maintenance = new Maintenance({ schema, databases, clock, log });

  const beat = async (): Promise<void> => {
    try {
      if (await registration.beat()) stopping.abort();
    } catch (error) {
      if (isReplicationError(error, 'daemon_already_running')) stopping.abort(error);
      throw error;
    }
  };
  const reactions: Readonly<Record<ControlEvent, readonly (() => Promise<void>)[]>> = {
    changed: [() => supervisor.refresh()],
    kick: [() => kicks.look()],
    kick_progress: [],
    stop: [beat],
    reconnected: [() => supervisor.refresh(), () => kicks.look()],
  };
  await store.listen((event) => {
    for (const react of reactions[event])
      react().catch((error: unknown) => log.warn('control database', { event, error }));
  });
  await supervisor.refresh();
  await kicks.look();

  const periodic: Periodic[] = [
    { name: 'the heartbeat', everyMs: heartbeatEveryMs, work: beat },
    { name: 'reading the control database', everyMs: refreshEveryMs, work: () => supervisor.refresh() },
    { name: 'looking for kicks', everyMs: refreshEveryMs, work: () => kicks.look() },
    { name: 'looking for databases', everyMs: checkEveryMs, work: () => databases.checkAll() },
    { name: 'writing states', everyMs: flushEveryMs, work: () => writer.flush() },
    { name: 'collecting conflicts', everyMs: conflictsEveryMs, work: ship },
    { name: 'maintenance', everyMs: maintenanceEveryMs, work: () => maintenance.run(supervisor.definitions) },
    { name: 'forgetting old history', everyMs: purgeEveryMs, work: () => purge(store, clock) },
  ];
  await Promise.all(periodic.map((one) => repeat(one, { clock, log, signal: isStopping })));
  log.info('daemon stops');
  await supervisor.stop();
  await writer.flush();
  if (isReplicationError(stopping.signal.reason)) throw stopping.signal.reason;
};

const purge = (store: ControlStore, clock: Clock): Promise<void> =>
  store.transaction(async (db) => {
    const before = clock.now() - historyMs;
    await purgeRounds(db, { before, countMax: keptRoundsMax });
    await purgeKicks(db, before);
    await purgeConflicts(db, before);
  });

const ownVersion = (): string => {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return manifest.version;
};
