/** Waits until the daemon has answered a kick, or cannot any more. */
import { listDaemons } from '../control/daemon.ts';
import { type KickId, type KickOutcome, readKick } from '../control/kick.ts';
import type { ControlStore } from '../control/store.ts';
import { ReplicationError } from '../model/errors.ts';

export type Answer = KickOutcome | { readonly result: 'timed_out' };

interface Wait {
  readonly store: ControlStore;
  readonly id: KickId;
  /** Milliseconds since 1970; null: for ever. */
  readonly deadline: number | null;
  readonly signal: AbortSignal;
  /** Called about once a second. */
  readonly onTick: () => void;
}

const tickMs = 1000;

/**
 * An announcement wakes it at once; without one it looks every second.
 * @throws ReplicationError `daemon_not_running` when no daemon is left, `not_found` when the sync is, `interrupted`
 */
export const waitForKick = async ({ store, id, deadline, signal, onTick }: Wait): Promise<Answer> => {
  const bell = new Bell();
  await store.listen(() => bell.ring());
  for (;;) {
    onTick();
    const { kick, daemons } = await store.transaction(async (db) => ({
      kick: await readKick(db, id),
      daemons: await listDaemons(db),
    }));
    if (kick === null)
      throw new ReplicationError('not_found', { message: 'The sync was removed while it was waited for.' });
    if (kick.outcome !== null) return kick.outcome;
    if (deadline !== null && performance.now() >= deadline) return { result: 'timed_out' };
    if (daemons.length === 0)
      throw new ReplicationError('daemon_not_running', {
        message: 'The daemon ended while it was waited for.',
      });
    if (signal.aborted)
      throw new ReplicationError('interrupted', {
        message: 'Waiting was interrupted; the kick itself goes on.',
      });
    await bell.wait(deadline === null ? tickMs : Math.max(1, Math.min(tickMs, deadline - performance.now())));
  }
};

/** Remembers a ring that comes while nobody waits. */
class Bell {
  #isRung = false;
  #wake: (() => void) | null = null;

  ring(): void {
    this.#isRung = true;
    this.#wake?.();
  }

  async wait(ms: number): Promise<void> {
    if (!this.#isRung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#isRung = false;
    this.#wake = null;
  }
}
