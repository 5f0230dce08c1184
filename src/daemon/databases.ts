/**
 * The databases of the installation as the daemon reaches them: a pool for each, and whether it answers.
 *
 * A database is up until a connection to it fails; from then on only the probe connects, at growing intervals of a few
 * seconds at most, and everybody else waits for what it says. So a server that is away is asked once, not by every sync.
 * Who is told of a change: the listeners, after it has happened. One that was restarted has changed too: it may have been set
 * back to an earlier state while nobody looked.
 */
import { isReplicationError, type ReplicationError } from '../model/errors.ts';
import type { Database, DatabaseId, DatabaseName } from '../model/topology.ts';
import { endBackends } from '../pg/backends.ts';
import { connect } from '../pg/conninfo.ts';
import { createPool, type Loan, type Pool } from '../pg/pool.ts';
import type { Session } from '../pg/session.ts';
import { createBackoff } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { inBackground } from './background.ts';
import { sessionsMax } from './round-gate.ts';

export interface Problem {
  readonly error: ReplicationError;
  readonly since: number;
}

interface Known {
  readonly database: Database;
  readonly pool: Pool;
  /** Ends when the database is not used any more, or in another way. */
  readonly use: AbortController;
  problem: Problem | null;
  serverVersion: number | null;
  /** Of the last connection; null before the first. */
  instance: string | null;
  check: Promise<boolean> | null;
  /** Server processes of connections that were given up in silence: they may hold the locks of a round that is over. */
  severed: readonly number[];
}

export interface DatabasesOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** What sessions are called at the server, so that they can be told from those of other daemons. */
  readonly applicationName: string;
}

const probeFirstMs = 250;
const probeLastMs = 5_000;
/** An answer takes milliseconds; a server so busy that it takes longer is as good as away. */
const answerWithinMs = 10_000;
const spareWithinMs = 2_000;

export class Databases {
  readonly #options: DatabasesOptions;
  readonly #known = new Map<DatabaseId, Known>();
  readonly #listeners: ((database: DatabaseId) => void)[] = [];

  constructor(options: DatabasesOptions) {
    this.#options = options;
  }

  /** These and no others. What is known of one whose parameters are the same as before stays known. */
  async use(databases: readonly Database[]): Promise<void> {
    const wanted = new Map(databases.map((database) => [database.id, database]));
    const retired = [...this.#known.values()].filter(
      ({ database }) => !isSame(wanted.get(database.id), database),
    );
    for (const { database } of retired) this.#known.delete(database.id);
    for (const database of wanted.values()) {
      if (!this.#known.has(database.id)) this.#known.set(database.id, this.#begin(database));
    }
    await Promise.all(retired.map(retire));
  }

  /** @throws ReplicationError why there is no connection, at once while the database is known to be down */
  async borrow(id: DatabaseId, signal?: AbortSignal): Promise<Loan> {
    const known = this.#find(id);
    if (known.problem !== null) throw known.problem.error;
    return this.#connect(known, signal);
  }

  isUp(id: DatabaseId): boolean {
    return this.#known.get(id)?.problem === null;
  }

  problemOf(id: DatabaseId): Problem | null {
    return this.#known.get(id)?.problem ?? null;
  }

  /** As `server_version_num`; null before the first connection. */
  serverVersion(id: DatabaseId): number | null {
    return this.#known.get(id)?.serverVersion ?? null;
  }

  /** Looks now, whatever was known; those who ask at the same time share a look. Returns whether the database answers. */
  async check(id: DatabaseId): Promise<boolean> {
    const known = this.#known.get(id);
    if (known === undefined) return false;
    known.check ??= this.#look(known).finally(() => {
      known.check = null;
    });
    return known.check;
  }

  /** So that one that is away is told to be away also when nobody wants anything of it. */
  async checkAll(): Promise<void> {
    await Promise.all([...this.#known.keys()].map((id) => this.check(id)));
  }

  find(name: string): Database | null {
    const known = [...this.#known.values()].find(({ database }) => database.name === (name as DatabaseName));
    return known?.database ?? null;
  }

  /** Calls back when a database has gone away, has come back or was restarted. */
  onChange(listener: (database: DatabaseId) => void): void {
    this.#listeners.push(listener);
  }

  #begin(database: Database): Known {
    const { applicationName } = this.#options;
    const { name: label, parameters } = database;
    const pool = createPool({ label, parameters, applicationName, max: sessionsMax });
    return {
      database,
      pool,
      use: new AbortController(),
      problem: null,
      serverVersion: null,
      instance: null,
      check: null,
      severed: [],
    };
  }

  #find(id: DatabaseId): Known {
    const known = this.#known.get(id);
    if (known === undefined) throw new Error(`database ${id} is not in use`);
    return known;
  }

  /** Asks for an answer: a server that has gone without a word leaves connections that look whole. */
  async #look(known: Known): Promise<boolean> {
    try {
      await this.#ask(known);
      return true;
    } catch (error) {
      if (!isReplicationError(error)) throw error;
      if (error.code === 'interrupted') return false;
      this.#setProblem(known, error);
      // Rounds that wait for it would wait until TCP gives up, a quarter of an hour later.
      if (error.code === 'database_unreachable') known.severed = [...known.severed, ...known.pool.sever()];
      return false;
    }
  }

  /** Sessions that have broken since they were last used are passed over; what counts is a new one, or silence. */
  async #ask(known: Known): Promise<void> {
    for (let left = sessionsMax; ; left -= 1) {
      await using loan = await this.#spare(known);
      const { session } = loan;
      try {
        await session.ping(answerWithinMs);
        await endBackends(session, known.severed);
        known.severed = [];
        this.#note(known, session);
        return;
      } catch (error) {
        if (left === 0 || session.hasFallenSilent || session.isUsable) throw error;
      }
    }
  }

  /** One of the pool, or one beside it while rounds hold all that there are: it may be they who wait for a silent server. */
  async #spare({ pool, database, use }: Known): Promise<Loan> {
    try {
      return await pool.acquire(AbortSignal.any([use.signal, AbortSignal.timeout(spareWithinMs)]));
    } catch (error) {
      if (!isReplicationError(error, 'interrupted') || use.signal.aborted) throw error;
      const session = await connect(database.parameters, {
        label: database.name,
        applicationName: this.#options.applicationName,
      });
      return { session, discard: () => undefined, [Symbol.asyncDispose]: () => session.close() };
    }
  }

  async #connect(known: Known, signal?: AbortSignal): Promise<Loan> {
    try {
      const loan = await known.pool.acquire(signal);
      this.#note(known, loan.session);
      return loan;
    } catch (error) {
      if (isReplicationError(error) && error.code !== 'interrupted') this.#setProblem(known, error);
      throw error;
    }
  }

  #note(known: Known, { serverVersion, instance }: Session): void {
    const isRestarted = known.problem === null && known.instance !== null && known.instance !== instance;
    known.serverVersion = serverVersion;
    known.instance = instance;
    this.#setProblem(known, null);
    if (isRestarted) this.#tell(known);
  }

  #tell({ database }: Known): void {
    for (const listener of this.#listeners) listener(database.id);
  }

  /** The only place where a database changes between up and down. */
  #setProblem(known: Known, error: ReplicationError | null): void {
    const { log, clock } = this.#options;
    const before = known.problem;
    if ((error === null && before === null) || known.use.signal.aborted) return;
    const database = known.database.name;
    known.problem = error === null ? null : { error, since: before?.since ?? clock.now() };
    if (error === null) log.info('database answers again', { database });
    else if (before?.error.code !== error.code) log.warn('database cannot be used', { database, error });
    if (before === null) void inBackground('probing a database', () => this.#probe(known), log);
    if (error === null || before === null) this.#tell(known);
  }

  async #probe(known: Known): Promise<void> {
    const { clock, random, log } = this.#options;
    const backoff = createBackoff({ firstMs: probeFirstMs, lastMs: probeLastMs, random });
    while (known.problem !== null && !known.use.signal.aborted) {
      await clock.sleep(backoff.next(), known.use.signal);
      if (known.use.signal.aborted) return;
      await inBackground('probing a database', () => this.check(known.database.id), log);
    }
  }
}

const isSame = (one: Database | undefined, other: Database): boolean =>
  one !== undefined &&
  one.name === other.name &&
  JSON.stringify(one.parameters) === JSON.stringify(other.parameters);

const retire = async ({ pool, use }: Known): Promise<void> => {
  use.abort();
  await pool.close();
};
