/**
 * The control store as its users hold it: one session to the control database, transactions one after the other.
 *
 * - What a command changes, it changes in one transaction; the daemon is told when that commits, by triggers on
 *   the tables and not by the code that writes them, so a change made by hand in SQL is taken up as well.
 * - The session is made anew when it has broken, on the next transaction. Whoever listens hears `reconnected` and
 *   looks at everything again, because what was announced in between is lost.
 * - `transaction` must not be called from within another one on the same store: it would wait for itself.
 */
import type { Notification, Session } from '../pg/session.ts';
import { type Sql, sql } from '../pg/sql.ts';
import { Db } from './db.ts';
import { checkControl, controlSchema } from './install.ts';

/** What the control database announces; all are hints to look, none carries data. */
const controlEvents = ['changed', 'kick', 'kick_progress', 'stop', 'lease', 'reconnected'] as const;
export type ControlEvent = (typeof controlEvents)[number];

export interface ControlStoreOptions {
  readonly connect: () => Promise<Session>;
  /** The schema name of the installation; the control store itself is in `<schema>_control`. */
  readonly schema: string;
  /**
   * For a daemon, whose transactions are short: one that stands still in the middle of a transaction loses it after so long,
   * and with it the rows that another daemon may be waiting for. Left out: a transaction may take its time.
   */
  readonly idleInTransactionMs?: number;
}

/**
 * Connects and looks whether the store is there.
 * @throws ReplicationError `not_installed`, or why the control database cannot be reached
 */
export const openControlStore = async (options: ControlStoreOptions): Promise<ControlStore> => {
  const store = new ControlStore(options);
  await store.transaction(async () => undefined);
  return store;
};

/** Made without connecting, so that a daemon can start while the control database is away. */
export class ControlStore implements AsyncDisposable {
  readonly #connect: () => Promise<Session>;
  readonly #schema: string;
  readonly #idleInTransactionMs: number;
  #session: Session | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #listener: ((event: ControlEvent) => void) | null = null;

  constructor({ connect, schema, idleInTransactionMs = 0 }: ControlStoreOptions) {
    this.#connect = connect;
    this.#schema = schema;
    this.#idleInTransactionMs = idleInTransactionMs;
  }

  /** Commits what `work` did, or, when it throws, nothing of it. */
  transaction<T>(work: (db: Db) => Promise<T>): Promise<T> {
    return this.#inTurn(() => this.#run(work, sql`commit`));
  }

  /** As `transaction`, but everything is rolled back at the end: for a dry run. */
  rehearse<T>(work: (db: Db) => Promise<T>): Promise<T> {
    return this.#inTurn(() => this.#run(work, sql`rollback`));
  }

  /** From now on calls back for everything that the control database announces. One listener for each store. */
  async listen(listener: (event: ControlEvent) => void): Promise<void> {
    this.#listener = listener;
    await this.#inTurn(async () => {
      const session = await this.#connected();
      await session.script(this.#listenStatement());
    });
  }

  /** The server is known to be silent: what waits for it fails now, and the next transaction connects anew. */
  sever(): void {
    this.#session?.destroy();
  }

  /** Never throws; may be called twice. */
  async close(): Promise<void> {
    this.#listener = null;
    await this.#inTurn(async () => {
      await this.#session?.close();
      this.#session = null;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #run<T>(work: (db: Db) => Promise<T>, end: Sql): Promise<T> {
    const session = await this.#connected();
    try {
      session.beginWithNext(sql`begin`);
      const result = await work(new Db(session));
      // The server answers COMMIT in a failed transaction with a rollback and no error: the select makes it one.
      await session.script(sql`select`, end);
      return result;
    } catch (error) {
      await session.script(sql`rollback`).catch(() => session.destroy());
      throw error;
    }
  }

  async #connected(): Promise<Session> {
    if (this.#session?.isUsable) return this.#session;
    const isAgain = this.#session !== null;
    const session = await this.#connect();
    try {
      await this.#prepare(session);
    } catch (error) {
      await session.close();
      throw error;
    }
    this.#session = session;
    if (isAgain) this.#listener?.('reconnected');
    return session;
  }

  async #prepare(session: Session): Promise<void> {
    await checkControl(session, { schema: this.#schema });
    await session.script(
      sql`set search_path = ${sql.id(controlSchema(this.#schema))}, pg_temp`,
      // A command may hold a row for long.
      sql`set lock_timeout = '5s'`,
      sql`set idle_in_transaction_session_timeout = ${sql.literal(this.#idleInTransactionMs)}`,
      ...(this.#listener === null ? [] : [this.#listenStatement()]),
    );
    session.onNotification((notification) => this.#announce(notification));
  }

  #listenStatement(): Sql {
    return sql`listen ${sql.id(controlSchema(this.#schema))}`;
  }

  #announce({ payload }: Notification): void {
    const event = controlEvents.find((known) => known === payload);
    if (event !== undefined) this.#listener?.(event);
  }
}
