/**
 * Keeps at work what the control store says shall be at work, of the syncs whose lease this daemon holds: a worker for each
 * that is active and not paused, pools and watches for their databases.
 *
 * `refresh` compares what is wanted with what there is. A sync that has not changed is not touched; one whose members
 * or relations have changed gets a new worker; any other change is adopted by the one that there is. The end of a lease does not wait
 * for a refresh: `cutOff` acts at once.
 */
import type { KickOutcome } from '../control/kick.ts';
import type { ControlStore } from '../control/store.ts';
import { pauseSync } from '../control/sync.ts';
import { loadSyncDefinitions } from '../control/sync-definition.ts';
import { readSyncStates, type SyncState, type WorkState } from '../control/sync-state.ts';
import { ReplicationError } from '../model/errors.ts';
import {
  type Database,
  type DatabaseId,
  hasDeltas,
  type RelationId,
  sources,
  type SyncDefinition,
  type SyncId,
} from '../model/topology.ts';
import { asLastError } from './failure-report.ts';
import { laneShape, planLanes } from './lane-plan.ts';
import type { Place } from './status-board.ts';
import { SyncWorker, type WorkerSurroundings } from './sync-worker.ts';
import type { Watchers } from './watchers.ts';

export interface SupervisorOptions extends Omit<WorkerSurroundings, 'onPause'> {
  readonly store: ControlStore;
  readonly watchers: Watchers;
  /** The sync is leased to this daemon, and may be begun. */
  readonly mayWork: (sync: SyncId) => boolean;
}

/** A round that has lasted for so long is not cut off for the sake of a fair share. */
const longMs = 3_000;

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #workers = new Map<SyncId, SyncWorker>();
  /** Paused by the daemon itself; the control store may not know it yet. */
  readonly #pausing = new Set<SyncId>();
  /** Workers that have been cut off, until nothing of them runs any more. */
  readonly #ending = new Set<Promise<void>>();
  /** The syncs whose states are on the board. */
  readonly #shown = new Set<SyncId>();
  #definitions: readonly SyncDefinition[] = [];
  #last: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    options.databases.onChange((database) => {
      for (const worker of this.#workers.values()) worker.databaseChanged(database);
    });
  }

  /** All syncs as they were last read, also those that rest or are another daemon's. */
  get definitions(): readonly SyncDefinition[] {
    return this.#definitions;
  }

  /** That are active. */
  databasesOf(id: SyncId): DatabaseId[] {
    const sync = this.#definitions.find((candidate) => candidate.id === id);
    return sync === undefined ? [] : activeDatabases(sync).map((database) => database.id);
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

  /** In the middle of a round that would not end in the time that `giveUp` leaves it. */
  isBusy(id: SyncId): boolean {
    const { board, clock } = this.#options;
    const states = board.places().map((place) => board.get(place));
    return states.some(
      ({ syncId, state, since }) =>
        syncId === id &&
        (state === 'running' || state === 'copying') &&
        Math.abs(clock.now() - since) > longMs,
    );
  }

  /** Nothing is written for these syncs any more, from now on. `isLost`: what is known of them is of no use any more either. */
  cutOff(syncs: readonly SyncId[], { isLost }: { readonly isLost: boolean }): void {
    for (const id of syncs) {
      const worker = this.#workers.get(id);
      this.#workers.delete(id);
      if (worker !== undefined) this.#await(worker.cutOff());
      if (isLost) this.#hide(id);
      else this.#showWaiting(id);
    }
  }

  /** Ends the work on a sync that goes to another daemon: a round under way may end. */
  async giveUp(id: SyncId): Promise<void> {
    const worker = this.#workers.get(id);
    this.#workers.delete(id);
    if (worker === undefined) return;
    this.#options.log.info('sync goes to another daemon', { sync: worker.definition.name });
    this.#await(worker.stop());
    await this.#ended();
  }

  /** Ends the workers; takes a few seconds at most. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const worker of this.#workers.values()) this.#await(worker.stop());
    this.#workers.clear();
    await this.#ended();
  }

  #await(end: Promise<void>): void {
    this.#ending.add(end);
    void end.finally(() => this.#ending.delete(end));
  }

  async #ended(): Promise<void> {
    await Promise.all(this.#ending);
  }

  async #refresh(): Promise<void> {
    if (this.#isStopped) return;
    const { store, databases, watchers, mayWork } = this.#options;
    const { definitions, states } = await store.transaction(async (db) => ({
      definitions: await loadSyncDefinitions(db),
      states: await readSyncStates(db),
    }));
    this.#definitions = definitions;
    const own = definitions.filter(({ id }) => mayWork(id));
    for (const { id } of own) this.#show(id, states);
    const wanted = own.filter((sync) => this.#isWanted(sync));
    await this.#stopUnwanted(wanted);
    await databases.use(distinct(own.flatMap(activeDatabases)));
    this.#showStates(own);
    await this.#ended();
    for (const sync of wanted) this.#startOrAdopt(sync);
    const watched = this.#isStopped
      ? []
      : wanted.filter(hasDeltas).flatMap((sync) => sources(sync).map(({ database }) => database));
    await watchers.use(distinct(watched));
  }

  #isWanted(sync: SyncDefinition): boolean {
    return (
      sync.status === 'active' && !sync.isPaused && !this.#pausing.has(sync.id) && planLanes(sync).length > 0
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
    for (const [, worker] of unwanted) this.#await(worker.stop());
    await this.#ended();
  }

  #startOrAdopt(sync: SyncDefinition): void {
    // The lease may have ended since the refresh began.
    if (this.#isStopped || !this.#options.mayWork(sync.id)) return;
    const worker = this.#workers.get(sync.id);
    if (worker === undefined) {
      const begun = new SyncWorker(sync, { ...this.#options, onPause: (paused) => this.#pause(paused) });
      this.#workers.set(sync.id, begun);
      this.#options.log.info('sync starts', { sync: sync.name });
      begun.start();
    } else if (JSON.stringify(worker.definition) !== JSON.stringify(sync)) worker.adopt(sync);
  }

  /** For a person to decide. Kept here until the control store says that it is paused, so that a `resume` is not undone. */
  #pause(sync: SyncDefinition): void {
    if (this.#pausing.has(sync.id)) return;
    this.#pausing.add(sync.id);
    this.#options.log.error('sync is paused until it is resumed', { sync: sync.name });
    this.#options.writer.write(
      sync.id,
      (db) => pauseSync(db, sync.id),
      () => this.#pausing.delete(sync.id),
    );
  }

  /** Takes over what whoever had the sync before has left; once. */
  #show(id: SyncId, states: readonly SyncState[]): void {
    if (this.#shown.has(id)) return;
    this.#shown.add(id);
    this.#options.board.load(states.filter(({ syncId }) => syncId === id));
  }

  #hide(id: SyncId): void {
    const { board } = this.#options;
    this.#shown.delete(id);
    for (const place of board.places()) if (place.syncId === id) board.forget(place);
  }

  #showWaiting(id: SyncId): void {
    const { board } = this.#options;
    const change = {
      state: 'waiting',
      waitingFor: 'the control database',
      retryAt: null,
      copy: null,
    } as const;
    for (const place of board.places()) if (place.syncId === id) board.update(place, change);
  }

  #showStates(own: readonly SyncDefinition[]): void {
    const { board } = this.#options;
    for (const place of board.places()) if (!isMember(place, this.#definitions)) board.forget(place);
    for (const sync of own) {
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
    return sync.isPaused || this.#pausing.has(sync.id) ? 'paused' : null;
  }
}

const activeDatabases = ({ members }: SyncDefinition): Database[] =>
  members.map(({ database }) => database).filter(({ status }) => status === 'active');

const isMember = ({ syncId, databaseId }: Place, definitions: readonly SyncDefinition[]): boolean =>
  definitions.some(
    ({ id, members }) => id === syncId && members.some(({ database }) => database.id === databaseId),
  );

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
