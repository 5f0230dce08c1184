/**
 * Watches one source database for all its syncs, and tells which captured tables may have changed.
 *
 * - A wake-up is a hint, never a condition: whatever happens, the snapshot is looked at every second, and every quarter of a
 *   second where nobody can be woken. As long as it stays the same, nothing has ended, and there is nothing to read (engine rule §15).
 * - In a quiet database the triggers are told to notify (armed): then changes are told as they are committed, without a look. One more look,
 *   after arming, closes the race with those who read the word before.
 * - Transactions that notify commit one after the other, so where more than a few hundred come in a second the triggers are told to be
 *   silent, and it looks every 20 ms. Rounds that found something are followed by others anyway.
 * - Two-phase commit forbids NOTIFY, so where it is possible the triggers are never armed (§14).
 *
 * States: `idle` (made, or stopped) → `watching` ⇄ `unreachable` (waits, then connects again) → `idle`.
 */
import { isReplicationError } from '../../model/errors.ts';
import { isDeepStrictEqual } from 'node:util';
import type { RelationId } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { createBackoff } from '../../runtime/backoff.ts';
import { Bell } from '../../runtime/bell.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Service } from '../../runtime/service.ts';
import { arm, disarm } from './control-word.ts';
import { segmentTables } from './delta.ts';
import { isBeyond, parseSnapshot, type Snapshot } from './position.ts';

export interface WatchOptions {
  readonly schema: string;
  readonly connect: () => Promise<Session>;
  readonly clock: Clock;
  readonly random: () => number;
  /** `all` after each connect, and after more changes than are worth telling apart. */
  readonly onChange: (tables: ReadonlySet<RelationId> | 'all') => void;
  /** Called when the state changes, or the reason for being unreachable does. */
  readonly onState: (state: WatchState, error: unknown) => void;
}

export interface Watch extends Service {
  /** The database answers again: connects now if it is waiting to, and does not wait the next time that it would. */
  hurry(): void;
}

export type WatchState = 'idle' | 'watching' | 'unreachable';

const connectAgainMs = { firstMs: 500, lastMs: 5_000 };
const lookEveryMs = 250;
/** Where the triggers notify, and nobody is in progress who may not know it yet. */
const lookWhenArmedEveryMs = 1_000;
const firstLookMs = 5;
const busyLookMs = 20;
/** Changes in a second up to which a database is quiet. */
const quietRateMax = 300;

export const createWatch = (options: WatchOptions): Watch => new DatabaseWatch(options);

class DatabaseWatch implements Watch {
  readonly #options: WatchOptions;
  readonly #stopping = new AbortController();
  #state: WatchState = 'idle';
  #error: unknown = null;
  #running: Promise<void> = Promise.resolve();
  /** There is something to look at. */
  readonly #bell: Bell;
  /** Ends the wait before the next connection; one that comes before the wait is kept for it. */
  #hurry: AbortController = new AbortController();

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#bell = new Bell(options.clock);
  }

  start(): Promise<void> {
    this.#running = this.#run();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#hurry.abort();
    await this.#running;
  }

  hurry(): void {
    this.#hurry.abort();
  }

  #enter(state: WatchState, error: unknown = null): void {
    if (state === this.#state && reasonOf(error) === reasonOf(this.#error)) return;
    this.#state = state;
    this.#error = error;
    this.#options.onState(state, error);
  }

  async #run(): Promise<void> {
    const { connect, clock, random } = this.#options;
    const { signal } = this.#stopping;
    const backoff = createBackoff({ ...connectAgainMs, random });
    while (!signal.aborted) {
      try {
        await using session = await connect();
        await this.#watch(session, () => backoff.reset());
      } catch (error) {
        // A bug too: what has failed once may go well the next time, and nobody else would begin it again.
        this.#enter('unreachable', error);
        await clock.sleep(backoff.next(), this.#hurry.signal);
        if (!signal.aborted) this.#hurry = new AbortController();
      }
    }
    this.#enter('idle');
  }

  async #watch(session: Session, onSuccess: () => void): Promise<void> {
    const { schema, clock, onChange } = this.#options;
    const looker = await Looker.open(session, schema, clock);
    let notifiedCount = 0;
    session.onNotification(({ payload }) => {
      const table = tableIn(payload);
      if (table !== null) onChange(new Set([table]));
      notifiedCount += 1;
      if (table === null || notifiedCount > quietRateMax) this.#bell.ring();
    });
    session.onEnd(() => this.#bell.ring());
    this.#enter('watching');
    onSuccess();
    let waitMs = firstLookMs;
    while (!this.#stopping.signal.aborted) {
      const { tables, perSecond } = await looker.look();
      notifiedCount = 0;
      if (tables !== null) onChange(tables);
      waitMs = tables === null ? Math.min(waitMs * 2, lookEveryMs) : firstLookMs;
      const isQuiet = perSecond <= quietRateMax;
      // Having armed, it looks again at once: a writer that read the word before is in that look, or in progress in it.
      const hasJustArmed = await looker.setArmed(isQuiet);
      if (!hasJustArmed) await this.#bell.wait(looker.waitMs({ isQuiet, waitMs }), this.#stopping.signal);
    }
    await looker.setArmed(false);
  }
}

/** The table of which a trigger has notified; null: it was somebody else. */
const tableIn = (payload: string): RelationId | null =>
  /^[1-9][0-9]{0,9}$/.test(payload) ? (Number(payload) as RelationId) : null;

const reasonOf = (error: unknown): string => (isReplicationError(error) ? error.code : String(error));

/** A version that a round has merely brought is no news: who lacks it was in that round too, or is looked at when it comes back. */
const isNews = sql`(relay is null or (relay).is_verdict or (relay).cascades)`;

/** So many changes in a segment are not counted further. */
const tellApartMax = 10_000;

const nothing = sql`select null::text as tbl, 0 as n where false`;

/** How many changes each table has had, as `tbl` and `n`. */
const changesSince = (schema: string, before: Snapshot, shapes: readonly number[]): Sql => {
  const segments = shapes.flatMap((shape) => segmentTables(schema, shape));
  if (segments.length === 0) return nothing;
  const deltas = segments.map(
    (segment) =>
      sql`(select tbl from ${segment} where ${isBeyond(sql`xid`, before)} and ${isNews} limit ${sql.literal(tellApartMax)})`,
  );
  return sql`select tbl::text, count(*) as n from (${sql.join(deltas, ' union all ')}) d group by tbl`;
};

const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

const changedTables = (counts: Readonly<Record<string, number>>): ReadonlySet<RelationId> | 'all' | null => {
  const tables = Object.keys(counts);
  if (tables.length === 0) return null;
  // A segment was cut off: others may follow in it.
  return sumOf(counts) >= tellApartMax ? 'all' : new Set(tables.map((table) => Number(table) as RelationId));
};

interface Look {
  /** The tables that have changed; null: none. */
  readonly tables: ReadonlySet<RelationId> | 'all' | null;
  /** How many changes were noted in a second. */
  readonly perSecond: number;
}

/** What was seen of a database so far. */
class Looker {
  readonly #session: Session;
  readonly #schema: string;
  readonly #mayArm: boolean;
  #isArmed = false;
  #seen: Snapshot | null = null;
  /** Who was in progress at the first look after the triggers were armed; null: there was none yet. */
  #silent: ReadonlySet<bigint> | null = null;
  #shapes: readonly number[] = [];
  readonly #clock: Clock;
  #lookedAt: number;

  private constructor(
    session: Session,
    schema: string,
    { mayArm, clock }: { mayArm: boolean; clock: Clock },
  ) {
    this.#clock = clock;
    this.#lookedAt = clock.elapsed();
    this.#session = session;
    this.#schema = schema;
    this.#mayArm = mayArm;
  }

  static async open(session: Session, schema: string, clock: Clock): Promise<Looker> {
    const [, , , settings] = await session.script(
      sql`listen ${sql.id(schema)}`,
      // Segments grow and are emptied, and nobody analyzes them: a plan that scans them would be kept.
      sql`set session enable_seqscan = off`,
      disarm(schema),
      sql`select current_setting('max_prepared_transactions') as prepared_max`,
    );
    return new Looker(session, schema, { mayArm: settings?.[0]?.['prepared_max'] === '0', clock });
  }

  /** Some who may have read the word before the triggers were armed are in progress: their end is not announced. */
  get #isAwaiting(): boolean {
    const inProgress = this.#seen === null ? [] : parseSnapshot(this.#seen).inProgress;
    return this.#silent === null ? inProgress.length > 0 : inProgress.some((xid) => this.#silent?.has(xid));
  }

  /** Until the next look, which may be earlier where nobody is woken and where something is in progress. */
  waitMs({ isQuiet, waitMs }: { readonly isQuiet: boolean; readonly waitMs: number }): number {
    if (!this.#mayArm) return waitMs;
    if (!isQuiet) return busyLookMs;
    return this.#isAwaiting ? waitMs : lookWhenArmedEveryMs;
  }

  /** What has changed since the last look. What is committed while this reads is left to the next one. */
  async look(): Promise<Look> {
    const [before, shapes, beganAt] = [this.#seen, this.#shapes, this.#lookedAt];
    this.#lookedAt = this.#clock.elapsed();
    const changes = before === null ? nothing : changesSince(this.#schema, before, shapes);
    const [[row] = []] = await this.#session.script(
      sql`
      select pg_current_snapshot()::text as snapshot, array_to_json(array(select id from ${sql.id(this.#schema, 'shape')} order by id)) as shapes,
             (select json_object_agg(tbl, n) from (${changes}) c) as changes`.planned(),
    );
    this.#seen = row?.['snapshot'] ?? '';
    if (this.#isArmed) this.#silent ??= new Set(parseSnapshot(this.#seen).inProgress);
    this.#shapes = JSON.parse(row?.['shapes'] ?? '[]') as number[];
    // What is noted in a shape that was made since the last look has not been looked at.
    if (before === null || !isDeepStrictEqual(shapes, this.#shapes)) return { tables: 'all', perSecond: 0 };
    const counts = JSON.parse(row?.['changes'] ?? '{}') as Record<string, number>;
    return { tables: changedTables(counts), perSecond: (sumOf(counts) * 1000) / (this.#lookedAt - beganAt) };
  }

  /** @returns true when this call has armed the triggers */
  async setArmed(wanted: boolean): Promise<boolean> {
    const target = wanted && this.#mayArm;
    if (target === this.#isArmed) return false;
    await this.#session.script(target ? arm(this.#schema) : disarm(this.#schema));
    this.#isArmed = target;
    this.#silent = null;
    return target;
  }
}
