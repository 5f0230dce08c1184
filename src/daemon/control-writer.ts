/**
 * Writes to the control store what the daemon has to say: at once when it can be reached, else when it is back.
 *
 * Replication never waits for it. What is handed over must be safe to be done late, and twice.
 */
import type { Db } from '../control/db.ts';
import type { ControlStore } from '../control/store.ts';
import { isReplicationError } from '../model/errors.ts';
import type { Log } from '../runtime/log.ts';
import type { StatusBoard } from './status-board.ts';

type Work = (db: Db) => Promise<void>;

export class ControlWriter {
  readonly #store: ControlStore;
  readonly #board: StatusBoard;
  readonly #log: Log;
  readonly #pending: Work[] = [];
  #last: Promise<void> = Promise.resolve();

  constructor({
    store,
    board,
    log,
  }: { readonly store: ControlStore; readonly board: StatusBoard; readonly log: Log }) {
    this.#store = store;
    this.#board = board;
    this.#log = log;
  }

  /** With the next `flush`. */
  write(work: Work): void {
    this.#pending.push(work);
  }

  /** Called every second; one after the other. Never throws. */
  flush(): Promise<void> {
    this.#last = this.#last.then(() => this.#flush());
    return this.#last;
  }

  async #flush(): Promise<void> {
    try {
      await this.#board.flush((work) => this.#store.transaction(work));
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
