/**
 * What each sync of this daemon does on each of its databases, in memory; `flush` writes to the control store what has changed.
 *
 * While the control store is away everything is kept: states are overwritten in place, of the rounds the newest are kept, and
 * totals are added up. What rounds have done is told in any case; states only while nobody else has taken the sync.
 */
import type { Db } from '../control/db.ts';
import { recordRounds, type RoundRecord } from '../control/round.ts';
import type { DaemonId } from '../control/lease.ts';
import {
  addTotals,
  type Increase,
  type SyncState,
  type Totals,
  writeSyncStates,
} from '../control/sync-state.ts';
import type { DatabaseId, SyncId } from '../model/topology.ts';
import type { Clock } from '../runtime/clock.ts';
import { Newest } from './newest.ts';

export type StateChange = Partial<Omit<SyncState, 'syncId' | 'databaseId' | 'since'>>;

export interface Place {
  readonly syncId: SyncId;
  readonly databaseId: DatabaseId;
}

const keptRoundsMax = 10_000;

export class StatusBoard {
  readonly #clock: Clock;
  readonly #states = new Map<string, SyncState>();
  #changed = new Set<string>();
  #rounds = new Newest<RoundRecord>(keptRoundsMax);
  /** Since the last flush. */
  #increases = new Map<string, Increase>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What whoever had the sync before has left: last rounds, errors. */
  load(states: readonly SyncState[]): void {
    for (const state of states) this.#states.set(keyOf(state), bare(state));
  }

  get(place: Place): SyncState {
    return this.#states.get(keyOf(place)) ?? this.#blank(place);
  }

  update(place: Place, change: StateChange): void {
    const before = this.get(place);
    const after = { ...before, ...change };
    const isEntered = after.state !== before.state || after.waitingFor !== before.waitingFor;
    this.#put({ ...after, since: isEntered ? this.#clock.now() : before.since });
  }

  /** A round that did something or failed; the state itself is for `update`. */
  record(round: RoundRecord): void {
    this.#rounds.add(round);
    this.#increase(round);
  }

  /** The database is no longer a member of the sync, or the sync is another daemon's. */
  forget(place: Place): void {
    this.#states.delete(keyOf(place));
    this.#changed.delete(keyOf(place));
  }

  places(): Place[] {
    return [...this.#states.values()];
  }

  /** Writes what has changed, with what `run` does in one transaction. What could not be written is kept. */
  async flush(run: (work: (db: Db) => Promise<void>) => Promise<void>, daemon: DaemonId): Promise<void> {
    const changed = this.#changed;
    const rounds = this.#rounds.list();
    const increases = [...this.#increases.values()];
    const states = [...changed].flatMap((key) => this.#states.get(key) ?? []);
    if (states.length === 0 && rounds.length === 0) return;
    this.#changed = new Set();
    this.#rounds = new Newest(keptRoundsMax);
    this.#increases = new Map();
    try {
      await run(async (db) => {
        if (states.length > 0) await writeSyncStates(db, { daemon, states });
        if (rounds.length > 0) await recordRounds(db, rounds);
        if (increases.length > 0) await addTotals(db, increases);
      });
    } catch (error) {
      this.#changed = new Set([...changed, ...this.#changed]);
      const since = this.#rounds.list();
      this.#rounds = new Newest(keptRoundsMax);
      for (const round of [...rounds, ...since]) this.#rounds.add(round);
      for (const increase of increases) this.#increase(increase);
      throw error;
    }
  }

  #increase(more: Increase): void {
    const { syncId, databaseId } = more;
    const known = this.#increases.get(keyOf(more));
    this.#increases.set(keyOf(more), { syncId, databaseId, ...add(known ?? nothing, more) });
  }

  #put(state: SyncState): void {
    this.#states.set(keyOf(state), state);
    this.#changed.add(keyOf(state));
  }

  #blank({ syncId, databaseId }: Place): SyncState {
    return {
      syncId,
      databaseId,
      state: 'starting',
      waitingFor: null,
      since: this.#clock.now(),
      retryAt: null,
      lastError: null,
      lastGoodAt: null,
      lastGoodMs: null,
      lastBadAt: null,
      rowsBehind: null,
      secondsBehind: null,
      copy: null,
    };
  }
}

const keyOf = ({ syncId, databaseId }: Place): string => `${syncId} ${databaseId}`;

/** A stored state has names, times and totals beside what is kept here. */
const bare = (stored: SyncState): SyncState => ({
  syncId: stored.syncId,
  databaseId: stored.databaseId,
  state: stored.state,
  waitingFor: stored.waitingFor,
  since: stored.since,
  retryAt: stored.retryAt,
  lastError: stored.lastError,
  lastGoodAt: stored.lastGoodAt,
  lastGoodMs: stored.lastGoodMs,
  lastBadAt: stored.lastBadAt,
  rowsBehind: stored.rowsBehind,
  secondsBehind: stored.secondsBehind,
  copy: stored.copy,
});

const nothing: Totals = { inserted: 0, updated: 0, deleted: 0, conflicts: 0 };

const add = (one: Totals, other: Totals): Totals => ({
  inserted: one.inserted + other.inserted,
  updated: one.updated + other.updated,
  deleted: one.deleted + other.deleted,
  conflicts: one.conflicts + other.conflicts,
});
