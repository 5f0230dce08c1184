/**
 * The daemon: wires everything together, by hand and nowhere else, and lives until it is told to stop.
 *
 * It needs the control database to start, and goes on replicating without it afterwards.
 */
import { readFileSync } from 'node:fs';
import { type Config, controlOf } from '../config/config.ts';
import { purgeConflicts } from '../control/conflict-log.ts';
import { purgeKicks } from '../control/kick.ts';
import { purgeRounds } from '../control/round.ts';
import { type ControlEvent, ControlStore } from '../control/store.ts';
import { isReplicationError } from '../model/errors.ts';
import { connect } from '../pg/conninfo.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { passOn, type Reached } from '../replication/fault-point.ts';
import type { Log } from '../runtime/log.ts';
import { inBackground } from './background.ts';
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
  readonly reached?: Reached;
}

const heartbeatEveryMs = 5_000;
const checkEveryMs = 5_000;
const refreshEveryMs = 10_000;
const flushEveryMs = 1_000;
const conflictsEveryMs = 3_000;
const maintenanceEveryMs = 15_000;
const purgeEveryMs = 3_600_000;
/** For what goes on beside the rounds when the daemon stops. */
const endWithinMs = 2_000;
const historyMs = 30 * 24 * 3_600_000;
const keptRoundsMax = 10_000;

/**
 * Replicates until the signal aborts or a stop is asked for in the control store.
 * @throws ReplicationError `daemon_already_running`, `not_installed`
 */
export const runDaemon = async ({ config, log, signal, reached = passOn }: DaemonOptions): Promise<void> => {
  const control = controlOf(config);
  const store = new ControlStore({
    schema: config.schema,
    connect: () => connect(control, { label: 'the control database', applicationName: 'tahr' }),
  });
  const common = { store, log, clock: systemClock, random: Math.random };
  const logDestination = config.logDestination ?? 'stderr';
  try {
    const registration = await Registration.take(
      { ...common, version: ownVersion(), logDestination },
      signal,
    );
    if (registration === null) return;
    log.info('daemon is at work', { version: ownVersion(), pid: process.pid });
    try {
      await replicate({ ...common, registration, signal, reached });
    } finally {
      await withinReason([registration.giveBack()], systemClock);
      log.info('daemon has ended');
    }
  } finally {
    await withinReason([store.close()], systemClock);
  }
};

interface Wiring {
  readonly store: ControlStore;
  readonly registration: Registration;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
  readonly reached: Reached;
}

const replicate = async ({
  store,
  registration,
  log,
  clock,
  random,
  signal,
  reached,
}: Wiring): Promise<void> => {
  const stopping = new AbortController();
  const isStopping = AbortSignal.any([stopping.signal, signal]);
  const { schema } = registration;
  const databases = new Databases({ clock, log, random });
  const board = new StatusBoard(clock);
  board.load(registration.states);
  const writer = new ControlWriter({ store, board, log });
  const write = writer.write.bind(writer);
  const watchers = new Watchers({
    schema,
    clock,
    random,
    log,
    onState: (database) => {
      supervisor.watchChanged(database);
      void inBackground('looking for a database', () => databases.check(database), log);
    },
    onChange: (database, tables) => supervisor.wake(database, tables),
  });
  const ship = () => shipConflicts({ store, databases, schema, syncs: supervisor.definitions, reached });
  const supervisor = new Supervisor({
    store,
    watchers,
    schema,
    databases,
    watchProblemOf: (database) => watchers.problemOf(database),
    gate: new RoundGate(),
    board,
    clock,
    random,
    log,
    reached,
    write,
  });
  databases.onChange((database) => {
    if (databases.isUp(database)) watchers.hurry(database);
  });
  const kicks = new KickDesk({
    store,
    write,
    flush: () => writer.flush(),
    kick: (sync) => supervisor.kick(sync),
    log,
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
  // What fails here is done again by the clock.
  const tried = (work: () => Promise<void>): Promise<void> =>
    inBackground('reading the control database', work, log);
  await tried(() => store.listen((event) => reactions[event].forEach((react) => void tried(react))));
  await tried(() => supervisor.refresh());
  await tried(() => kicks.look());

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
  const work = periodic.map((one) => repeat(one, { clock, log, signal: isStopping }));
  await aborted(isStopping);
  log.info('daemon stops');
  await supervisor.stop();
  await withinReason([...work, watchers.use([]), writer.flush(), databases.use([])], clock);
  if (isReplicationError(stopping.signal.reason)) throw stopping.signal.reason;
};

/** A connection that nobody answers on must not keep the daemon from ending. */
const withinReason = async (works: readonly Promise<unknown>[], clock: Clock): Promise<void> => {
  const isOver = new AbortController();
  const ended = Promise.allSettled(works).then(() => isOver.abort());
  await Promise.race([ended, clock.sleep(endWithinMs, isOver.signal)]);
};

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

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
