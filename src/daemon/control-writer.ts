/**
 * Writes to the control store what the daemon has to say of its syncs: at once when it can be reached, else when it is back.
 *
 * Replication never waits for it. What is handed over must be safe to be done late, and twice. By then a sync may be another
 * daemon's: then nothing is said of it but what rounds have done (`StatusBoard`), and the other one finds out for itself.
 */
import type { Db } from '../control/db.ts';
import { type DaemonId, holdsLease } from '../control/lease.ts';
import type { ControlStore } from '../control/store.ts';
import { isReplicationError } from '../model/errors.ts';
import type { SyncId } from '../model/topology.ts';
import type { Log } from '../runtime/log.ts';
import type { StatusBoard } from './status-board.ts';

type Work = (db: Db) => Promise<void>;

export class ControlWriter {
  readonly #store: ControlStore;
  readonly #daemon: DaemonId;
  readonly #board: StatusBoard;
  readonly #log: Log;
  readonly #pending: Work[] = [];
  #last: Promise<void> = Promise.resolve();

  constructor({
    store,
    daemon,
    board,
    log,
  }: {
    readonly store: ControlStore;
    readonly daemon: DaemonId;
    readonly board: StatusBoard;
    readonly log: Log;
  }) {
    this.#store = store;
    this.#daemon = daemon;
    this.#board = board;
    this.#log = log;
  }

  /** With the next `flush`, unless another daemon has taken the sync by then; in both cases the last that is done is `atLast`. */
  write(sync: SyncId, work: Work, atLast: () => void = () => undefined): void {
    this.#pending.push(async (db) => {
      if (await holdsLease(db, { daemon: this.#daemon, sync })) await work(db);
      atLast();
    });
  }

  /** Called every second; one after the other. Never throws. */
  flush(): Promise<void> {
    this.#last = this.#last.then(() => this.#flush());
    return this.#last;
  }

  async #flush(): Promise<void> {
    try {
      await this.#board.flush((work) => this.#store.transaction(work), this.#daemon);
      await this.#writePending();
    } catch (error) {
      // That the control database is away is told by the heartbeat.
      const isPassing = isReplicationError(error) && error.retry === 'backoff';
      this.#log[isPassing ? 'debug' : 'error']('states could not be written', { error });
    }
  }

  async #writePending(): Promise<void> {
    for (let work = this.#pending[0]; work !== undefined; work = this.#pending[0]) {
      try {
        await this.#store.transaction(work);
      } catch (error) {
        if (isReplicationError(error) && error.retry === 'backoff') throw error;
        this.#log.error('a note for the control database was dropped', { error });
      }
      this.#pending.shift();
    }
  }
}
