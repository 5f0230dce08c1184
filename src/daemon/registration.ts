/** The beginning of a daemon: it waits for the control database, and makes itself known there. */
import { type DaemonSelf, heartbeat } from '../control/daemon.ts';
import { getInstallation, type Installation } from '../control/installation.ts';
import type { ControlStore } from '../control/store.ts';
import { isReplicationError } from '../model/errors.ts';
import { createBackoff } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';

export interface RegistrationOptions {
  readonly store: ControlStore;
  readonly self: DaemonSelf;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/**
 * Null when the signal aborts before the control database answers.
 * @throws ReplicationError `not_installed` and what else waiting does not cure
 */
export const register = async (
  { store, self, clock, random, log }: RegistrationOptions,
  signal: AbortSignal,
): Promise<Installation | null> => {
  const backoff = createBackoff({ firstMs: 500, lastMs: 10_000, random });
  let told = '';
  while (!signal.aborted) {
    try {
      return await store.transaction(async (db) => {
        await heartbeat(db, self);
        return getInstallation(db);
      });
    } catch (error) {
      if (!isReplicationError(error) || error.retry !== 'backoff') throw error;
      if (told !== error.code) log.warn('waiting for the control database', { error });
      told = error.code;
      await clock.sleep(backoff.next(), signal);
    }
  }
  return null;
};
