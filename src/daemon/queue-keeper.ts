/**
 * Looks now and then at what waits on sources for databases that do not read it, where there is a limit to that. Each sync is looked after by the
 * daemon that holds its lease.
 */
import { type Queue, readQueue, releaseConsumer } from '../connectors/postgres/queue.ts';
import type { Db } from '../control/db.ts';
import { clearNotice, setNotice } from '../control/notice.ts';
import { loadQueueLimits, type PlacedQueueLimit } from '../control/queue-limit.ts';
import type { ControlStore } from '../control/store.ts';
import { isReplicationError } from '../model/errors.ts';
import {
  type Database,
  hasDeltas,
  type Member,
  sources,
  type SyncDefinition,
  type SyncId,
} from '../model/topology.ts';
import type { Log } from '../runtime/log.ts';
import type { Databases } from './databases.ts';
import { isReplaceable, judgeQueue, type QueueStep } from './queue-verdict.ts';

export interface QueueKeeperOptions {
  readonly store: ControlStore;
  readonly schema: string;
  readonly databases: Pick<Databases, 'borrow' | 'isUp'>;
  /** The lease of the sync is ours. */
  readonly isHeld: (sync: SyncId) => boolean;
  readonly log: Log;
}

const code = 'queue_over_limit';

interface Place {
  readonly sync: SyncDefinition;
  readonly reader: Member;
  readonly limit: PlacedQueueLimit;
}

interface Found {
  readonly source: Database;
  readonly queue: Queue;
  readonly step: QueueStep;
}

export class QueueKeeper {
  readonly #options: QueueKeeperOptions;

  constructor(options: QueueKeeperOptions) {
    this.#options = options;
  }

  /** A failure on one source does not keep the others waiting. */
  async run(syncs: readonly SyncDefinition[]): Promise<void> {
    const { store, isHeld } = this.#options;
    const held = new Map(
      syncs.filter((sync) => hasDeltas(sync) && isHeld(sync.id)).map((sync) => [sync.id, sync]),
    );
    if (held.size === 0) return;
    for (const limit of await store.transaction(loadQueueLimits)) {
      const sync = held.get(limit.syncId);
      const reader = sync?.members.find(({ database }) => database.id === limit.databaseId);
      if (sync !== undefined && reader !== undefined) await this.#look({ sync, reader, limit });
    }
  }

  async #look(place: Place): Promise<void> {
    const { databases, log } = this.#options;
    const { sync, reader } = place;
    const found: Found[] = [];
    for (const { database } of sources(sync)) {
      if (database.id === reader.database.id || !databases.isUp(database.id)) continue;
      try {
        found.push(...(await this.#lookAt(database, place)));
      } catch (error) {
        if (!isReplicationError(error)) throw error;
        log.warn('a queue could not be looked at', { database: database.name, error });
      }
    }
    await this.#tell(place, found);
  }

  async #lookAt(source: Database, { sync, reader, limit }: Place): Promise<Found[]> {
    const { databases, schema, log } = this.#options;
    await using loan = await databases.borrow(source.id);
    const consumer = { sync: sync.id, database: reader.database.id };
    const queue = await readQueue(loan.session, schema, consumer);
    if (queue === null) return [];
    const step = judgeQueue(queue, limit, {
      isAbsent: reader.database.status !== 'active' || !databases.isUp(reader.database.id),
      isReplaceable: isReplaceable(sync, reader),
    });
    if (step === 'release') {
      await releaseConsumer(loan.session, schema, consumer);
      log.warn('what was kept for a database that is away is given up', {
        sync: sync.name,
        database: reader.database.name,
        source: source.name,
        ...queue,
      });
    }
    return [{ source, queue, step }];
  }

  async #tell({ sync, reader, limit }: Place, found: readonly Found[]): Promise<void> {
    const { store } = this.#options;
    const over = found.filter(({ step }) => step !== 'nothing');
    const key = { syncId: sync.id, databaseId: reader.database.id, relationId: null, code };
    const canBeCopied = isReplaceable(sync, reader);
    const message = over
      .map((one) => sentence(reader.database, one, { policy: limit.policy, canBeCopied }))
      .join(' ');
    const tell = (db: Db): Promise<void> =>
      over.length === 0 ? clearNotice(db, key) : setNotice(db, { ...key, message });
    await store.transaction(tell);
  }
}

const sentence = (
  { name }: Database,
  { source, queue, step }: Found,
  { policy, canBeCopied }: { readonly policy: PlacedQueueLimit['policy']; readonly canBeCopied: boolean },
): string => {
  if (step === 'release' || step === 'released')
    return `What ${source.name} kept for ${name} is given up, because it was over its limit. When ${name} is back it is copied to, as far as changes are gone.`;
  const what = `For ${minutes(queue.ageMs)} ${name} has not read what ${source.name} keeps for it, which takes up to ${megabytes(queue.bytes)}.`;
  if (policy !== 'release') return what;
  return canBeCopied
    ? `${what} It is given up when ${name} cannot be reached, or is inactive.`
    : `${what} It is not given up: ${name} is the first source, which cannot be copied to, or a source whose absence keeps targets from saying what they need.`;
};

const minutes = (ms: number): string =>
  ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;
