/**
 * Answers the kicks of the syncs that this daemon works on. A kick is answered by rounds that began after it was seen, so it
 * is never answered by one that was under way when it was made. Kicks that another daemon has left are taken up again.
 */
import {
  finishKicks,
  type Kick,
  type KickId,
  type KickOutcome,
  pendingKicks,
  startKicks,
} from '../control/kick.ts';
import type { ControlStore } from '../control/store.ts';
import type { SyncId } from '../model/topology.ts';
import type { Log } from '../runtime/log.ts';
import { inBackground } from './background.ts';
import type { ControlWriter } from './control-writer.ts';

export interface KickDeskOptions {
  readonly store: ControlStore;
  readonly writer: Pick<ControlWriter, 'write' | 'flush'>;
  /** The sync is worked on here. */
  readonly isOurs: (sync: SyncId) => boolean;
  /** Rejects when the control store cannot say what there is to run. */
  readonly kick: (sync: SyncId) => Promise<KickOutcome>;
  readonly log: Log;
}

export class KickDesk {
  readonly #options: KickDeskOptions;
  readonly #atWork = new Set<KickId>();

  constructor(options: KickDeskOptions) {
    this.#options = options;
  }

  /** Takes up what is pending; returns before it is answered. */
  async look(): Promise<void> {
    const { store, log, isOurs } = this.#options;
    const pending = await store.transaction(pendingKicks);
    const kicks = pending.filter(({ id, syncId }) => isOurs(syncId) && !this.#atWork.has(id));
    if (kicks.length === 0) return;
    for (const { id } of kicks) this.#atWork.add(id);
    try {
      await store.transaction((db) => startKicks(db, idsOf(kicks)));
    } catch (error) {
      this.#letGo(idsOf(kicks));
      throw error;
    }
    for (const [sync, own] of Map.groupBy(kicks, ({ syncId }) => syncId)) {
      void inBackground('answering a kick', () => this.#answer(sync, idsOf(own)), log);
    }
  }

  async #answer(sync: SyncId, ids: readonly KickId[]): Promise<void> {
    const { writer, isOurs } = this.#options;
    const outcome = await this.#kick(sync, ids);
    // Whoever works on it now answers: what the rounds were cut off by is no answer.
    if (!isOurs(sync)) return this.#letGo(ids);
    writer.write(
      sync,
      (db) => finishKicks(db, ids, outcome),
      () => this.#letGo(ids),
    );
    await writer.flush();
  }

  /** What could not be tried is taken up again by the next look. */
  async #kick(sync: SyncId, ids: readonly KickId[]): Promise<KickOutcome> {
    try {
      return await this.#options.kick(sync);
    } catch (error) {
      this.#letGo(ids);
      throw error;
    }
  }

  #letGo(ids: readonly KickId[]): void {
    for (const id of ids) this.#atWork.delete(id);
  }
}

const idsOf = (kicks: readonly Kick[]): KickId[] => kicks.map(({ id }) => id);
