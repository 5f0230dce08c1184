/** The daemon's place in the control store: taken at the start, kept by heartbeats, given back at the end. */
import { hostname } from 'node:os';
import { heartbeat, type NewDaemon, registerDaemon, unregisterDaemon } from '../control/daemon.ts';
import type { ControlStore } from '../control/store.ts';
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
  readonly #store: ControlStore;
  readonly #id: string;

  private constructor(store: ControlStore, id: string) {
    this.#store = store;
    this.#id = id;
  }

  /**
   * Waits for the control database; null when the signal aborts before it answers.
   * @throws ReplicationError `daemon_already_running`, `not_installed` and what else waiting does not cure
   */
  static async take(options: RegistrationOptions, signal: AbortSignal): Promise<Registration | null> {
    const { store, clock, random, log, version, logDestination } = options;
    const added: NewDaemon = { host: hostname(), pid: process.pid, version, logDestination };
    const backoff = createBackoff({ firstMs: 500, lastMs: 10_000, random });
    let told = '';
    while (!signal.aborted) {
      try {
        return new Registration(store, await store.transaction((db) => registerDaemon(db, added)));
      } catch (error) {
        if (!isReplicationError(error) || error.retry !== 'backoff') throw error;
        if (told !== error.code) log.warn('waiting for the control database', { error });
        told = error.code;
        await clock.sleep(backoff.next(), signal);
      }
    }
    return null;
  }

  /**
   * Says that the daemon lives. @returns whether it is asked to stop
   * @throws ReplicationError `daemon_already_running` when another one has taken its place; `database_unreachable` …
   */
  async beat(): Promise<boolean> {
    const { isStopRequested } = await this.#store.transaction((db) => heartbeat(db, this.#id));
    return isStopRequested;
  }

  /** Never throws: whoever looks for the daemon finds it gone by its heartbeat then. */
  async giveBack(): Promise<void> {
    await this.#store.transaction((db) => unregisterDaemon(db, this.#id)).catch(() => undefined);
  }
}
