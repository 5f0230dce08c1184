/**
 * Takes, renews and gives back the leases of this daemon, and says when one has ended.
 *
 * It looks every two seconds, in one transaction: says that the daemon lives, renews what it holds, sees who else is there and what is free.
 * It has a connection of its own, on which nothing else has to be waited for, and a server that is silent is given up
 * long before the leases end.
 *
 * A lease is
 * - held: the sync may be worked on. `isHeld` asks the daemon's own clock, which is always the stricter one.
 * - given: held, and on its way back: the work on the sync comes to its end.
 * - ended: it could not be renewed in time. Nothing is written any more. If nobody has taken it when the control database answers
 *   again, it is held again; else it is lost.
 */
import { type DaemonSelf, heartbeat, listDaemons, unregisterDaemon } from '../control/daemon.ts';
import { type LeaseFacts, readLeases, releaseLeases, renewLeases, takeLeases } from '../control/lease.ts';
import type { ControlStore } from '../control/store.ts';
import { isReplicationError } from '../model/errors.ts';
import type { SyncId } from '../model/topology.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { inBackground } from './background.ts';
import { Bell } from '../runtime/bell.ts';
import { LeaseClock } from './lease-clock.ts';
import { planShare } from './lease-share.ts';

/** Who works on what is leased. None of this may take the keeper's time, but `giveUp`, which it does not wait for. */
export interface LeaseUser {
  /** They may be worked on from now on, for the first time or again. */
  readonly onHeld: (leases: readonly Pick<LeaseFacts, 'syncId' | 'predecessor'>[]) => void;
  /** Nothing may be written for them any more. `isLost`: another daemon has them, or they have been removed. */
  readonly onEnded: (syncs: readonly SyncId[], state: { readonly isLost: boolean }) => void;
  /** Ends the work on a sync in good order, with everything told. */
  readonly giveUp: (sync: SyncId) => Promise<void>;
  readonly isBusy: (sync: SyncId) => boolean;
  readonly onStopRequested: () => void;
  /** The control database has stopped to answer; told once. */
  readonly onSilence: () => void;
}

export interface LeaseKeeperOptions {
  /** Used by nobody else; gives up a server that is silent for longer than `answerWithinMs`. */
  readonly store: ControlStore;
  readonly self: DaemonSelf;
  readonly clock: Clock;
  readonly log: Log;
}

/** For the store of the keeper: three attempts fit between a renewal and the end of the lease. */
export const answerWithinMs = 2_500;
const lookEveryMs = 2_000;
const lookAgainMs = 500;
/** So that a lease that is about to expire has expired when it is looked at. */
const afterExpiryMs = 50;
const clockEveryMs = 100;

export class LeaseKeeper {
  readonly #options: LeaseKeeperOptions;
  readonly #clock: LeaseClock;
  readonly #bell: Bell;
  readonly #given = new Set<SyncId>();
  readonly #ended = new Set<SyncId>();
  #isLeaving = false;
  /** Why the control database cannot be used; empty: it can. */
  #trouble = '';

  constructor(options: LeaseKeeperOptions) {
    this.#options = options;
    this.#clock = new LeaseClock(() => options.clock.elapsed());
    this.#bell = new Bell(options.clock);
  }

  /** What is written for the sync may be committed. */
  isHeld(sync: SyncId): boolean {
    return this.#clock.isHeld(sync);
  }

  /** Work on the sync may begin. */
  mayWork(sync: SyncId): boolean {
    return this.isHeld(sync) && !this.#given.has(sync) && !this.#isLeaving;
  }

  /** Something has changed: looks now. */
  hurry(): void {
    this.#bell.ring();
  }

  /** Looks until the signal aborts. */
  async run(user: LeaseUser, signal: AbortSignal): Promise<void> {
    const noticing = this.#noticeEnds(user, signal);
    while (!signal.aborted) await this.#bell.wait(await this.#turn(user), signal);
    await noticing;
  }

  /** The daemon ends: takes nothing any more. What it holds it goes on renewing. */
  leave(): void {
    this.#isLeaving = true;
  }

  /** All leases are free, and the daemon is gone. Never throws: they expire by themselves. */
  async giveBack(): Promise<void> {
    const { store, self } = this.#options;
    await store.transaction((db) => unregisterDaemon(db, self.id)).catch(() => undefined);
  }

  /** @returns when to look again */
  async #turn(user: LeaseUser): Promise<number> {
    try {
      const waitMs = await this.#look(user);
      if (this.#trouble !== '') this.#options.log.info('control database answers again');
      this.#trouble = '';
      return waitMs;
    } catch (error) {
      if (this.#trouble === '') user.onSilence();
      this.#noteTrouble(error);
      return lookAgainMs;
    }
  }

  #noteTrouble(error: unknown): void {
    const { log } = this.#options;
    const isExpected = isReplicationError(error);
    const trouble = isExpected ? error.code : String(error);
    if (trouble !== this.#trouble)
      log[isExpected ? 'warn' : 'error'](
        'control database cannot be used; work goes on until the leases end',
        {
          error,
        },
      );
    this.#trouble = trouble;
  }

  async #look(user: LeaseUser): Promise<number> {
    const { store, self } = this.#options;
    const mark = this.#clock.mark();
    const [{ isStopRequested }, held, leases, daemons] = await store.transaction((db) =>
      Promise.all([heartbeat(db, self), renewLeases(db, self.id), readLeases(db), listDaemons(db)]),
    );
    this.#renewed(held, mark, user);
    if (isStopRequested) user.onStopRequested();
    const staying = daemons.filter((daemon) => !daemon.isStopRequested).map(({ id }) => id);
    const { take, give } = planShare({
      self: self.id,
      daemons: this.#isLeaving ? [] : staying,
      leases,
      isGiven: (sync) => this.#given.has(sync),
      isBusy: user.isBusy,
    });
    for (const sync of give) void this.#give(sync, user);
    if (take.length > 0) await this.#take(take, user);
    const ends = leases.flatMap(({ holder, endsInMs }) => (holder === self.id ? [] : (endsInMs ?? [])));
    return Math.min(lookEveryMs, ...ends.map((endsInMs) => endsInMs + afterExpiryMs));
  }

  #renewed(held: readonly SyncId[], mark: number, user: LeaseUser): void {
    const lost = this.#clock.known().filter((sync) => !held.includes(sync));
    for (const sync of lost) {
      this.#clock.drop(sync);
      this.#ended.delete(sync);
    }
    if (lost.length > 0) user.onEnded(lost, { isLost: true });
    this.#clock.hold(held, mark);
    const again = held.filter((sync) => this.#ended.delete(sync));
    if (again.length > 0) user.onHeld(again.map((syncId) => ({ syncId, predecessor: null })));
  }

  async #take(wanted: readonly LeaseFacts[], user: LeaseUser): Promise<void> {
    const { store, self, log } = this.#options;
    const mark = this.#clock.mark();
    const syncs = wanted.map(({ syncId }) => syncId);
    const taken = await store.transaction((db) => takeLeases(db, { daemon: self.id, syncs }));
    this.#clock.hold(taken, mark);
    const leases = wanted.filter(({ syncId }) => taken.includes(syncId));
    if (leases.length === 0) return;
    log.info('leases taken', {
      syncs: leases.length,
      expired: leases.filter(({ predecessor }) => predecessor).length,
    });
    user.onHeld(leases);
  }

  /** Beside the looks, which go on renewing it meanwhile. */
  #give(sync: SyncId, user: LeaseUser): Promise<void> {
    const { store, self, log } = this.#options;
    this.#given.add(sync);
    const work = async (): Promise<void> => {
      try {
        await user.giveUp(sync);
        await store.transaction((db) => releaseLeases(db, { daemon: self.id, syncs: [sync] }));
        this.#clock.drop(sync);
        user.onEnded([sync], { isLost: true });
      } finally {
        this.#given.delete(sync);
        if (this.#clock.known().includes(sync)) user.onHeld([{ syncId: sync, predecessor: null }]);
      }
    };
    return inBackground('giving a lease back', work, log);
  }

  /** A look every tenth of a second: the margin of the clock leaves time for it. */
  async #noticeEnds(user: LeaseUser, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      const ended = this.#clock.known().filter((sync) => !this.isHeld(sync) && !this.#ended.has(sync));
      for (const sync of ended) this.#ended.add(sync);
      if (ended.length > 0) {
        log.warn('leases have ended: nothing is written until the control database answers', {
          syncs: ended.length,
        });
        user.onEnded(ended, { isLost: false });
      }
      await clock.sleep(clockEveryMs, signal);
    }
  }
}
