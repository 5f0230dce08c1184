/**
 * Keeps at work what the control store says shall be at work: a worker for each sync that is active and not paused,
 * pools and watches for their databases.
 *
 * `refresh` compares what is wanted with what there is. A sync that has not changed is not touched; one whose members
 * or relations have changed gets a new worker; any other change is adopted by the one that there is.
 */
import type { KickOutcome } from '../control/kick.ts';
import type { ControlStore } from '../control/store.ts';
import { pauseSync } from '../control/sync.ts';
import { loadSyncDefinitions } from '../control/sync-definition.ts';
import type { WorkState } from '../control/sync-state.ts';
import { ReplicationError } from '../model/errors.ts';
import {
  type Database,
  type DatabaseId,
  type RelationId,
  sources,
  type SyncDefinition,
  type SyncId,
} from '../model/topology.ts';
import { asLastError } from './failure-report.ts';
import { laneShape, planLanes } from './lane-plan.ts';
import { SyncWorker, type WorkerSurroundings } from './sync-worker.ts';
import type { Watchers } from './watchers.ts';

export interface SupervisorOptions extends Omit<WorkerSurroundings, 'onPause'> {
  readonly store: ControlStore;
  readonly watchers: Watchers;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #workers = new Map<SyncId, SyncWorker>();
  /** Paused by the daemon itself; the control store may not know it yet. */
  readonly #held = new Set<SyncId>();
  #definitions: readonly SyncDefinition[] = [];
  #last: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    options.databases.onChange((database) => {
      for (const worker of this.#workers.values()) worker.databaseChanged(database);
    });
  }

  /** All syncs as they were last read, also those that are not at work. */
  get definitions(): readonly SyncDefinition[] {
    return this.#definitions;
  }

  /** Takes up what has changed in the control store; one after the other. */
  refresh(): Promise<void> {
    const turn = this.#last.then(() => this.#refresh());
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  /** A source has changed in these tables. */
  wake(database: DatabaseId, tables: ReadonlySet<RelationId> | 'all'): void {
    for (const worker of this.#workers.values()) worker.wake(database, tables);
  }

  /** The watch of a source was lost or is back. */
  watchChanged(database: DatabaseId): void {
    for (const worker of this.#workers.values()) worker.watchChanged(database);
  }

  /** Runs every lane of the sync once more. */
  async kick(id: SyncId): Promise<KickOutcome> {
    if (!this.#workers.has(id)) await this.refresh();
    const worker = this.#workers.get(id);
    if (worker !== undefined) return worker.kick();
    const sync = this.#definitions.find((candidate) => candidate.id === id);
    return { result: 'failed', ...asLastError(notActive(sync)) };
  }

  /** Ends the workers; takes a few seconds at most. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop()));
    this.#workers.clear();
  }

  async #refresh(): Promise<void> {
    if (this.#isStopped) return;
    const { store, databases, watchers } = this.#options;
    const definitions = await store.transaction(loadSyncDefinitions);
    this.#definitions = definitions;
    const wanted = definitions.filter((sync) => this.#isWanted(sync));
    await this.#stopUnwanted(wanted);
    await databases.use(distinct(definitions.flatMap(activeDatabases)));
    this.#showStates(definitions);
    for (const sync of wanted) this.#startOrAdopt(sync);
    const watched = this.#isStopped
      ? []
      : wanted.flatMap((sync) => sources(sync).map(({ database }) => database));
    await watchers.use(distinct(watched));
  }

  #isWanted(sync: SyncDefinition): boolean {
    return (
      sync.status === 'active' && !sync.isPaused && !this.#held.has(sync.id) && planLanes(sync).length > 0
    );
  }

  async #stopUnwanted(wanted: readonly SyncDefinition[]): Promise<void> {
    const shapes = new Map(wanted.map((sync) => [sync.id, laneShape(sync)]));
    const unwanted = [...this.#workers].filter(
      ([id, { definition }]) => shapes.get(id) !== laneShape(definition),
    );
    for (const [id, { definition }] of unwanted) {
      this.#workers.delete(id);
      this.#options.log.info(shapes.has(id) ? 'sync has changed' : 'sync stops', { sync: definition.name });
    }
    await Promise.all(unwanted.map(([, worker]) => worker.stop()));
  }

  #startOrAdopt(sync: SyncDefinition): void {
    if (this.#isStopped) return;
    const worker = this.#workers.get(sync.id);
    if (worker === undefined) {
      const begun = new SyncWorker(sync, { ...this.#options, onPause: (held) => this.#hold(held) });
      this.#workers.set(sync.id, begun);
      this.#options.log.info('sync starts', { sync: sync.name });
      begun.start();
    } else if (JSON.stringify(worker.definition) !== JSON.stringify(sync)) worker.adopt(sync);
  }

  /** For a person to decide. Held here until the control store says that it is paused, so that a `resume` is not undone. */
  #hold(sync: SyncDefinition): void {
    if (this.#held.has(sync.id)) return;
    this.#held.add(sync.id);
    this.#options.log.error('sync is paused until it is resumed', { sync: sync.name });
    this.#options.write(async (db) => {
      await pauseSync(db, sync.id);
      this.#held.delete(sync.id);
    });
  }

  #showStates(definitions: readonly SyncDefinition[]): void {
    const { board } = this.#options;
    const members = new Set(
      definitions.flatMap((sync) => sync.members.map(({ database }) => `${sync.id} ${database.id}`)),
    );
    for (const place of board.places()) {
      if (!members.has(`${place.syncId} ${place.databaseId}`)) board.forget(place);
    }
    for (const sync of definitions) {
      for (const { database } of sync.members) {
        const place = { syncId: sync.id, databaseId: database.id };
        const state = this.#restingState(sync, database);
        if (state !== null) board.update(place, { state, waitingFor: null, retryAt: null, copy: null });
        else if (!this.#workers.has(sync.id))
          board.update(place, { state: 'starting', waitingFor: null, retryAt: null, copy: null });
      }
    }
  }

  /** Null: at work. */
  #restingState(sync: SyncDefinition, database: Database): WorkState | null {
    if (sync.status === 'inactive' || database.status === 'inactive') return 'inactive';
    return sync.isPaused || this.#held.has(sync.id) ? 'paused' : null;
  }
}

const activeDatabases = ({ members }: SyncDefinition): Database[] =>
  members.map(({ database }) => database).filter(({ status }) => status === 'active');

const distinct = (databases: readonly Database[]): Database[] => [
  ...new Map(databases.map((database) => [database.id, database])).values(),
];

const notActive = (sync: SyncDefinition | undefined): ReplicationError => {
  if (sync === undefined)
    return new ReplicationError('not_found', { message: 'The sync does not exist any more.' });
  const reason =
    sync.status === 'inactive' ? 'is inactive' : sync.isPaused ? 'is paused' : 'has no databases to work on';
  return new ReplicationError('sync_not_active', {
    message: `Sync "${sync.name}" ${reason}.`,
    facts: { sync: sync.name },
  });
};
