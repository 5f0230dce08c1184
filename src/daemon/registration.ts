/** The daemon's place in the control store: taken at the start, kept by heartbeats, given back at the end. */
import { hostname } from 'node:os';
import { heartbeat, registerDaemon, unregisterDaemon } from '../control/daemon.ts';
import { getInstallation } from '../control/installation.ts';
import type { ControlStore } from '../control/store.ts';
import { readSyncStates, type SyncState } from '../control/sync-state.ts';
import { isReplicationError } from '../model/errors.ts';
import { createBackoff } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';

export interface RegistrationOptions {
  readonly store: ControlStore;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly version: string;
  readonly logDestination: string;
}

export class Registration {
  /** The schema of the replication objects on every database. */
  readonly schema: string;
  /** What an earlier daemon has left. */
  readonly states: readonly SyncState[];
  readonly #store: ControlStore;
  readonly #log: Log;
  readonly #id: string;
  #isAway = false;

  private constructor(
    { store, log }: RegistrationOptions,
    found: { readonly id: string; readonly schema: string; readonly states: readonly SyncState[] },
  ) {
    this.#store = store;
    this.#log = log;
    this.#id = found.id;
    this.schema = found.schema;
    this.states = found.states;
  }

  /**
   * Waits for the control database; null when the signal aborts before it answers.
   * @throws ReplicationError `daemon_already_running`, `not_installed` and what else waiting does not cure
   */
  static async take(options: RegistrationOptions, signal: AbortSignal): Promise<Registration | null> {
    const { clock, random, log } = options;
    const backoff = createBackoff({ firstMs: 500, lastMs: 10_000, random });
    let told = '';
    while (!signal.aborted) {
      try {
        return await Registration.#register(options);
      } catch (error) {
        if (!isReplicationError(error) || error.retry !== 'backoff') throw error;
        if (told !== error.code) log.warn('waiting for the control database', { error });
        told = error.code;
        await clock.sleep(backoff.next(), signal);
      }
    }
    return null;
  }

  static #register(options: RegistrationOptions): Promise<Registration> {
    const { store, version, logDestination } = options;
    return store.transaction(async (db) => {
      const { schema } = await getInstallation(db);
      const states = await readSyncStates(db);
      const id = await registerDaemon(db, { host: hostname(), pid: process.pid, version, logDestination });
      return new Registration(options, { id, schema, states });
    });
  }

  /**
   * Says that the daemon lives. @returns whether it is asked to stop; false too while the control database is away
   * @throws ReplicationError `daemon_already_running` when another one has taken its place
   */
  async beat(): Promise<boolean> {
    try {
      const { isStopRequested } = await this.#store.transaction((db) => heartbeat(db, this.#id));
      if (this.#isAway) this.#log.info('control database answers again');
      this.#isAway = false;
      return isStopRequested;
    } catch (error) {
      if (!isReplicationError(error) || error.retry !== 'backoff') throw error;
      if (!this.#isAway) this.#log.warn('control database cannot be used, replication goes on', { error });
      this.#isAway = true;
      return false;
    }
  }

  /** Never throws: whoever looks for the daemon finds it gone by its heartbeat then. */
  async giveBack(): Promise<void> {
    await this.#store.transaction((db) => unregisterDaemon(db, this.#id)).catch(() => undefined);
  }
}
