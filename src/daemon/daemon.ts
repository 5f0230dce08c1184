/**
 * The daemon: wires everything together, by hand and nowhere else, and lives until it is told to stop.
 *
 * Several may work on one control store, on one host or on many: they share the syncs by leases. Without the control
 * database a daemon goes on until its leases end, and then waits for it.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { type Config, controlOf } from '../config/config.ts';
import { purgeConflicts } from '../control/conflict-log.ts';
import { type DaemonSelf, forgetDaemons } from '../control/daemon.ts';
import { purgeKicks } from '../control/kick.ts';
import type { DaemonId } from '../control/lease.ts';
import { purgeRounds } from '../control/round.ts';
import { type ControlEvent, ControlStore } from '../control/store.ts';
import type { SyncId } from '../model/topology.ts';
import { connect } from '../pg/conninfo.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { passOn, type Reached } from '../replication/fault-point.ts';
import { keepYoungGenerationSmall } from '../runtime/heap.ts';
import type { Log } from '../runtime/log.ts';
import { inBackground } from './background.ts';
import { shipConflicts } from './conflict-shipper.ts';
import { ControlWriter } from './control-writer.ts';
import { Databases } from './databases.ts';
import { KickDesk } from './kick-desk.ts';
import { answerWithinMs as leasesAnswerWithinMs, LeaseKeeper, type LeaseUser } from './lease-keeper.ts';
import { ClockKeeper } from './clock-keeper.ts';
import { QueueKeeper } from './queue-keeper.ts';
import { Maintenance } from './maintenance.ts';
import { type Periodic, repeat } from './periodic.ts';
import { Predecessors, sessionNames } from './predecessors.ts';
import { register } from './registration.ts';
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

const checkEveryMs = 5_000;
const refreshEveryMs = 10_000;
const flushEveryMs = 1_000;
const conflictsEveryMs = 3_000;
const maintenanceEveryMs = 15_000;
const clocksEveryMs = 15_000;
const queuesEveryMs = 5_000;
const purgeEveryMs = 3_600_000;
/** For what goes on beside the rounds when the daemon stops. */
const endWithinMs = 2_000;
const historyMs = 30 * 24 * 3_600_000;
const keptRoundsMax = 10_000;
/** A daemon that was asked to stop while it could not be reached is told so for as long. */
const deadDaemonMs = 24 * 3_600_000;
/** A page of conflicts on a slow line takes longest. */
const storeAnswersWithinMs = 30_000;
/** Leases end if nobody answers for much longer. */
const connectWithinS = 3;
/** Longer than any pause between two statements of a daemon's transaction that is not a standstill. */
const idleInTransactionMs = 3_000;

/**
 * Replicates until the signal aborts or a stop is asked for in the control store.
 * @throws ReplicationError `not_installed`
 */
export const runDaemon = async ({ config, log, signal, reached = passOn }: DaemonOptions): Promise<void> => {
  keepYoungGenerationSmall();
  const self: DaemonSelf = {
    id: randomUUID() as DaemonId,
    host: hostname(),
    pid: process.pid,
    version: ownVersion(),
    logDestination: config.logDestination ?? 'stderr',
  };
  const stores = openStores(config, self);
  const common = { ...stores, self, log, clock: systemClock, random: Math.random };
  try {
    const installation = await register({ ...common, store: stores.leaseStore }, signal);
    if (installation === null) return;
    const keeper = new LeaseKeeper({ ...common, store: stores.leaseStore });
    log.info('daemon is at work', { version: self.version, pid: self.pid, daemon: self.id });
    try {
      await replicate({ ...common, schema: installation.schema, keeper, signal, reached });
    } finally {
      await withinReason([keeper.giveBack()], systemClock);
      log.info('daemon has ended');
    }
  } finally {
    await withinReason([stores.store.close(), stores.leaseStore.close()], systemClock);
  }
};

/** Leases have a connection of their own, so that nothing that takes its time keeps them from being renewed. */
const openStores = (config: Config, { id }: DaemonSelf): Record<'store' | 'leaseStore', ControlStore> => {
  const control = controlOf(config);
  const label = 'the control database';
  const parameters = { ...control, connect_timeout: String(connectWithinS) };
  const open = (applicationName: string, answerWithinMs: number): ControlStore =>
    new ControlStore({
      schema: config.schema,
      idleInTransactionMs,
      connect: () => connect(parameters, { label, applicationName, answerWithinMs }),
    });
  return {
    store: open(`tahr ${id}`, storeAnswersWithinMs),
    leaseStore: open(`tahr lease ${id}`, leasesAnswerWithinMs),
  };
};

interface Wiring {
  readonly store: ControlStore;
  readonly self: DaemonSelf;
  /** Of the replication objects on every database. */
  readonly schema: string;
  readonly keeper: LeaseKeeper;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
  readonly reached: Reached;
}

const replicate = async (wiring: Wiring): Promise<void> => {
  const { store, self, schema, keeper, log, clock, random, signal, reached } = wiring;
  const stopping = new AbortController();
  const isStopping = AbortSignal.any([stopping.signal, signal]);
  const names = sessionNames(self.id);
  const databases = new Databases({ clock, log, random, applicationName: names.rounds });
  const board = new StatusBoard(clock);
  const writer = new ControlWriter({ store, daemon: self.id, board, log });
  const isHeld = (sync: SyncId): boolean => keeper.isHeld(sync);
  const mayWork = (sync: SyncId): boolean => keeper.mayWork(sync);
  const watchers = new Watchers({
    schema,
    clock,
    random,
    log,
    applicationName: names.watch,
    onState: (database) => {
      supervisor.watchChanged(database);
      void inBackground('looking for a database', () => databases.check(database), log);
    },
    onChange: (database, tables) => supervisor.wake(database, tables),
  });
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
    writer,
    isHeld,
    mayWork,
  });
  const predecessors = new Predecessors({
    databases,
    databasesOf: (sync) => supervisor.databasesOf(sync),
    log,
  });
  const ship = () =>
    shipConflicts({
      store,
      databases,
      schema,
      syncs: supervisor.definitions.filter(({ id }) => isHeld(id)),
      reached,
    });
  const kicks = new KickDesk({
    store,
    writer,
    isOurs: mayWork,
    kick: (sync) => supervisor.kick(sync),
    log,
  });
  const maintenance = new Maintenance({ schema, databases, isHeld, clock, log });
  const clocks = new ClockKeeper({ store, schema, databases, isHeld, clock, log });
  const queues = new QueueKeeper({ store, schema, databases, isHeld, log });
  // What fails here is done again by the clock.
  const tried = (work: () => Promise<void>): Promise<void> =>
    inBackground('reading the control database', work, log);
  databases.onChange((database) => {
    if (!databases.isUp(database)) return;
    watchers.hurry(database);
    void tried(() => predecessors.end());
  });

  const user: LeaseUser = {
    onHeld: (leases) => {
      for (const { syncId, predecessor } of leases)
        if (predecessor !== null) predecessors.add(predecessor, syncId);
      void tried(async () => {
        await supervisor.refresh();
        await predecessors.end();
        await kicks.look();
      });
    },
    onEnded: (syncs, state) => supervisor.cutOff(syncs, state),
    giveUp: async (sync) => {
      await supervisor.giveUp(sync);
      await writer.flush();
    },
    isBusy: (sync) => supervisor.isBusy(sync),
    onStopRequested: () => stopping.abort(),
    onSilence: () => store.sever(),
  };
  const reactions: Readonly<Record<ControlEvent, readonly (() => Promise<void>)[]>> = {
    changed: [() => supervisor.refresh(), async () => keeper.hurry()],
    kick: [() => kicks.look()],
    kick_progress: [],
    stop: [async () => keeper.hurry()],
    lease: [async () => keeper.hurry()],
    reconnected: [() => supervisor.refresh(), () => kicks.look()],
  };
  const leaving = new AbortController();
  const keeping = keeper.run(user, leaving.signal);
  await tried(() => store.listen((event) => reactions[event].forEach((react) => void tried(react))));

  const periodic: Periodic[] = [
    { name: 'reading the control database', everyMs: refreshEveryMs, work: () => supervisor.refresh() },
    { name: 'looking for kicks', everyMs: refreshEveryMs, work: () => kicks.look() },
    { name: 'looking for databases', everyMs: checkEveryMs, work: () => databases.checkAll() },
    { name: 'ending what others have left', everyMs: checkEveryMs, work: () => predecessors.end() },
    { name: 'writing states', everyMs: flushEveryMs, work: () => writer.flush() },
    { name: 'collecting conflicts', everyMs: conflictsEveryMs, work: ship },
    { name: 'maintenance', everyMs: maintenanceEveryMs, work: () => maintenance.run(supervisor.definitions) },
    { name: 'looking at queues', everyMs: queuesEveryMs, work: () => queues.run(supervisor.definitions) },
    { name: 'comparing clocks', everyMs: clocksEveryMs, work: () => clocks.run(supervisor.definitions) },
    { name: 'forgetting old history', everyMs: purgeEveryMs, work: () => purge(store, clock) },
  ];
  const work = periodic.map((one) => repeat(one, { clock, log, signal: isStopping }));
  await aborted(isStopping);
  log.info('daemon stops');
  keeper.leave();
  await supervisor.stop();
  await withinReason([...work, watchers.use([]), writer.flush(), databases.use([])], clock);
  leaving.abort();
  await withinReason([keeping], clock);
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

/** By every daemon: what one has deleted another does not find any more. */
const purge = (store: ControlStore, clock: Clock): Promise<void> =>
  store.transaction(async (db) => {
    const before = clock.now() - historyMs;
    await forgetDaemons(db, clock.now() - deadDaemonMs);
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
