/**
 * Ends what is left on the databases of a daemon whose lease has expired.
 *
 * Its process may stand still, or its host may have gone without a word: the servers then go on believing in its connections,
 * and its open transactions hold the fence and row locks for up to a minute, an unfinished copy for ever. It has lost the
 * lease, so nothing that it has begun may be committed any more; what it has committed stays. Nothing depends on this: it only
 * saves the successor the wait. It is tried until it has succeeded, for the database may be away just then.
 */
import type { DaemonId } from '../control/lease.ts';
import { isReplicationError } from '../model/errors.ts';
import type { DatabaseId, SyncId } from '../model/topology.ts';
import { endBackendsNamed } from '../pg/backends.ts';
import type { Log } from '../runtime/log.ts';
import { levelOf } from './background.ts';
import type { Databases } from './databases.ts';

/** What the sessions of a daemon are called at the servers (at most 63 characters). */
export const sessionNames = (daemon: DaemonId) => ({
  rounds: `tahr ${daemon}`,
  watch: `tahr watch ${daemon}`,
});

export interface PredecessorsOptions {
  readonly databases: Databases;
  /** That the sync has now. */
  readonly databasesOf: (sync: SyncId) => readonly DatabaseId[];
  readonly log: Log;
}

interface Due {
  readonly daemon: DaemonId;
  readonly sync: SyncId;
  readonly done: Set<DatabaseId>;
}

export class Predecessors {
  readonly #options: PredecessorsOptions;
  #due: readonly Due[] = [];

  constructor(options: PredecessorsOptions) {
    this.#options = options;
  }

  /** It had the lease of this sync until it expired. */
  add(daemon: DaemonId, sync: SyncId): void {
    this.#due = [...this.#due, { daemon, sync, done: new Set() }];
  }

  /** Wherever something is due and the database can be reached. */
  async end(): Promise<void> {
    for (const due of this.#due) {
      for (const database of this.#left(due)) if (await this.#endOn(database, due)) due.done.add(database);
    }
    this.#due = this.#due.filter((due) => due.done.size === 0 || this.#left(due).length > 0);
  }

  #left({ sync, done }: Due): DatabaseId[] {
    return this.#options.databasesOf(sync).filter((database) => !done.has(database));
  }

  /** False: it has to be tried again. */
  async #endOn(database: DatabaseId, { daemon }: Due): Promise<boolean> {
    const { databases, log } = this.#options;
    if (!databases.isUp(database)) return false;
    try {
      await using loan = await databases.borrow(database);
      const count = await endBackendsNamed(loan.session, Object.values(sessionNames(daemon)));
      if (count > 0) log.info('ended sessions of a daemon whose lease had expired', { daemon, count });
      return true;
    } catch (error) {
      if (!isReplicationError(error)) throw error;
      log[levelOf(error)]('sessions of a daemon whose lease had expired could not be ended', { error });
      return false;
    }
  }
}
