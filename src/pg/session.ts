/**
 * One connection to a server, with the settings that replication needs and values as the server wrote them.
 *
 * - Requests need not wait for the answer to the one before: they are answered in their order (`pipeline.ts`). Streams wait for requests.
 * - Every value is a string or null: nothing is parsed, so nothing is rounded (invariant 8).
 * - Every setting that a role or database could have changed to our harm is set explicitly (engine rule §23).
 * - A failure is a `ReplicationError` with the server's own fields in `facts` (see `failure.ts`).
 */
import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';
import type { Writable } from 'node:stream';
import pg from 'pg';
import { CopyIn } from './copy-in.ts';
import { connectFailureOf, failureOf, silenceOf, timeoutOf } from './failure.ts';
import { Pipeline, type RowsOut } from './pipeline.ts';
import { PlanCache } from './plan-cache.ts';
import { all, type Request } from './request.ts';
import { type Sql, sql } from './sql.ts';

export type Row = Readonly<Record<string, string | null>>;

export interface Notification {
  readonly channel: string;
  readonly payload: string;
}

const asText = { getTypeParser: () => (value: unknown) => value } as unknown as pg.CustomTypesConfig;

export interface SessionOptions {
  /** How this database is called in messages: its short name, or 'the control database'. */
  readonly label: string;
  /** Shown in pg_stat_activity, to tell a reader from a writer. */
  readonly applicationName: string;
  /** For sessions whose statements are all short: a server that has not answered for so long is given up. Left out: they may take their time. */
  readonly answerWithinMs?: number;
}

/** What the driver has and its types leave out. */
interface Driver {
  readonly processID: number | null;
  readonly readyForQuery: boolean;
  readonly connection: EventEmitter & { readonly stream: { destroy(): void } };
}

/** A column of a query's result (PostgreSQL manual, "Message Formats", RowDescription). */
export interface ResultColumn {
  readonly name: string;
  readonly typeOid: string;
  /** What the type carries beside its name, such as a length; -1: nothing. */
  readonly modifier: number;
  /** The table that it is a column of, as it is; `0`: it is computed. */
  readonly tableOid: string;
  /** Its place in that table. */
  readonly place: number;
}

/** How long the server has to take note of the end. */
const closeWithinMs = 2_000;

export class Session implements AsyncDisposable {
  readonly label: string;
  /** Things that live as long as the connection: which temporary tables exist, which settings were made. */
  readonly memory = new Map<string, unknown>();
  readonly #plans = new PlanCache();
  readonly #pipeline: Pipeline;
  #client: pg.Client;
  #failure: unknown = null;
  #isClosed = false;
  #serverVersion = 0;
  #answerWithinMs: number | null = null;
  #isSilent = false;
  #instance = '';
  #ahead: Sql | null = null;

  private constructor(client: pg.Client, label: string) {
    this.#client = client;
    this.#pipeline = new Pipeline(client);
    this.label = label;
    client.on('error', (error) => {
      this.#failure ??= error;
    });
    client.on('end', () => {
      this.#isClosed = true;
    });
  }

  /**
   * Connects and makes the settings.
   * @throws ReplicationError `database_unreachable`, `access_denied`, `server_unsupported` and what else the server says
   */
  static async open(config: pg.ClientConfig, options: SessionOptions): Promise<Session> {
    const client = new pg.Client({ ...config, types: asText, application_name: options.applicationName });
    const session = new Session(client, options.label);
    // As long as the connection itself may take; zero, as there, is without end.
    const withinMs = config.connectionTimeoutMillis || null;
    session.#answerWithinMs = withinMs;
    const startedAt = performance.now();
    try {
      await client.connect();
      await session.#prepare();
      session.#answerWithinMs = options.answerWithinMs ?? null;
      return session;
    } catch (error) {
      await session.close();
      const isTimedOut = withinMs !== null && performance.now() - startedAt >= withinMs;
      throw isTimedOut ? timeoutOf(options.label, error) : connectFailureOf(error, options.label);
    }
  }

  /** As `server_version_num`: 150018. */
  get serverVersion(): number {
    return this.#serverVersion;
  }

  /** The server process behind the connection, as the server or a pooler in between has told it; null: nobody has. */
  get backendPid(): number | null {
    return this.#driver.processID;
  }

  /** Another one after a restart of the server, and when the database was dropped and made again. */
  get instance(): string {
    return this.#instance;
  }

  /** False once the connection has broken or was closed; it is then of no further use. */
  get isUsable(): boolean {
    return !this.#isClosed && this.#failure === null;
  }

  /** True between `begin` and `commit` or `rollback`, also when the transaction has failed. */
  get isInTransaction(): boolean {
    if (this.#ahead !== null) return true;
    const status = this.#client.getTransactionStatus();
    return status === 'T' || status === 'E';
  }

  /** True when the connection was given up because the server did not answer, and nobody said that it had broken. */
  get hasFallenSilent(): boolean {
    return this.#isSilent;
  }

  /**
   * Returns when the server has answered.
   * @throws ReplicationError `database_unreachable`, also when the answer takes longer than that; the connection is given up then
   */
  async ping(withinMs: number): Promise<void> {
    await this.#guard(() => this.#pipeline.query('select'), withinMs);
  }

  /** Begins a transaction with the next message, whatever it is: one message less. */
  beginWithNext(begin: Sql): void {
    this.#ahead = begin;
  }

  /** One statement; its rows. */
  async query(statement: Sql): Promise<Row[]> {
    const [rows = []] = await this.script(statement);
    return rows;
  }

  /**
   * Several requests in one message; what each has to say. The first failure ends the message.
   * @throws what the requests throw when they read their answers, too
   */
  async ask<T extends readonly unknown[]>(
    ...requests: readonly [...{ [K in keyof T]: Request<T[K]> }]
  ): Promise<T> {
    const request = all<T>(requests);
    const results = await this.#send(request.statements);
    return request.read(results.map(({ rows, rowCount }) => ({ rows, count: rowCount ?? 0 })));
  }

  /** The columns of a query, which is to be one without rows. */
  async describe(query: Sql): Promise<ResultColumn[]> {
    const [result] = await this.#send([query]);
    return (result?.fields ?? []).map(({ name, dataTypeID, dataTypeModifier, tableID, columnID }) => ({
      name,
      typeOid: String(dataTypeID),
      modifier: dataTypeModifier,
      tableOid: String(tableID),
      place: columnID,
    }));
  }

  /** Several statements in one message, values inlined; the rows of each. The first failure ends the message. */
  async script(...statements: readonly Sql[]): Promise<Row[][]> {
    return (await this.#send(statements)).map(({ rows }) => rows);
  }

  /** As `script`, but how many rows each statement touched. */
  async counts(...statements: readonly Sql[]): Promise<number[]> {
    return (await this.#send(statements)).map(({ rowCount }) => rowCount ?? 0);
  }

  async #send(statements: readonly Sql[]): Promise<pg.QueryResult<Record<string, string | null>>[]> {
    const ahead = this.#takeAhead();
    const { text, prepares, taken } = this.#plans.message([...ahead, ...statements]);
    const result = await this.#guard(() => this.#pipeline.query(text));
    taken();
    const results = Array.isArray(result) ? result : [result];
    const answers = prepares ? results.filter(({ command }) => command !== 'PREPARE') : results;
    return answers.slice(ahead.length);
  }

  /**
   * `copy … from stdin` of rows that are there already, in one message with them.
   * @returns how many rows the server took
   */
  async load(statement: Sql, rows: Buffer): Promise<number> {
    const statements = [...this.#takeAhead(), statement];
    const text = statements.map((one) => one.inlined()).join(';\n');
    const result = await this.#guard(() => this.#pipeline.query(text, rows));
    return (Array.isArray(result) ? result.at(-1) : result)?.rowCount ?? 0;
  }

  #takeAhead(): Sql[] {
    const ahead = this.#ahead;
    this.#ahead = null;
    return ahead === null ? [] : [ahead];
  }

  /**
   * `copy (…) to stdout`; the stream carries CopyData as it arrives, with errors as they come from the driver. Several may be asked for at once;
   * they come one after the other. Whoever stops reading before the end gives up the session with it: the server would go on sending.
   */
  copyOut(statement: Sql): RowsOut {
    assert(this.#ahead === null, 'a transaction that is to begin with what is copied');
    const stream = this.#pipeline.rows(statement.inlined());
    stream.once('close', () => {
      if (!stream.readableEnded) this.destroy();
    });
    return stream;
  }

  /**
   * `copy … from stdin`; when it has finished, `rowCount` says how many rows the server took. Whoever stops writing before the end, and not
   * because the server has refused something, gives up the session with it: the server would wait for the rest.
   */
  copyIn(statement: Sql): Writable & { readonly rowCount: number } {
    assert(!this.#pipeline.isBusy, 'an answer that is still to come');
    const statements = [...this.#takeAhead(), statement];
    const stream = new CopyIn(statements.map((one) => one.inlined()).join(';\n'));
    stream.once('close', () => {
      if (stream.isUnderWay) this.destroy();
    });
    return this.#client.query(stream);
  }

  /** Calls back for each notification until the session ends. */
  onNotification(listener: (notification: Notification) => void): void {
    this.#client.on('notification', ({ channel, payload }) => listener({ channel, payload: payload ?? '' }));
  }

  /** Calls back once when the connection is gone, for whatever reason. */
  onEnd(listener: () => void): void {
    this.#client.once('end', listener);
  }

  /** Never throws; may be called twice. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const timer = setTimeout(() => this.destroy(), closeWithinMs);
    await this.#client.end().catch(() => undefined);
    clearTimeout(timer);
  }

  /** Drops the connection without a word to the server: what is in progress there is rolled back. */
  destroy(): void {
    this.#isClosed = true;
    this.#driver.connection.stream.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #prepare(): Promise<void> {
    // First of all, or a time limit that the role was given could end what comes before it.
    const [, facts] = await this.script(
      sql`set session statement_timeout = '0'`,
      sql`
      select pg_catalog.current_setting('server_version_num') as version,
             pg_catalog.concat_ws(' ', pg_catalog.timezone('UTC', pg_catalog.pg_postmaster_start_time()), d.oid) as instance
        from pg_catalog.pg_database d
       where d.datname operator(pg_catalog.=) pg_catalog.current_database()`,
    );
    this.#serverVersion = Number(facts?.[0]?.['version']);
    this.#instance = facts?.[0]?.['instance'] ?? '';
    await this.script(...sessionSettings(this.#serverVersion));
  }

  get #driver(): Driver {
    return this.#client as unknown as Driver;
  }

  /**
   * A failure is told before the server says what has become of the transaction, which `isInTransaction` would have wrong until then
   * (PostgreSQL manual, "Message Flow": ReadyForQuery).
   */
  async #untilReady(): Promise<void> {
    const { readyForQuery, connection } = this.#driver;
    if (readyForQuery || !this.isUsable) return;
    await new Promise<void>((resolve) => {
      const events = ['readyForQuery', 'end'];
      const end = (): void => {
        for (const event of events) connection.off(event, end);
        resolve();
      };
      for (const event of events) connection.on(event, end);
    });
  }

  async #guard<T>(work: () => Promise<T>, withinMs = this.#answerWithinMs): Promise<T> {
    const giveUp = (): void => {
      this.#isSilent = true;
      this.destroy();
    };
    const timer = withinMs === null ? undefined : setTimeout(giveUp, withinMs);
    try {
      return await work();
    } catch (error) {
      await this.#untilReady();
      throw this.#isSilent ? silenceOf(this.label, error) : failureOf(error, this.label);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Time-outs that depend on what the session does are set by its user; here they are off. */
const sessionSettings = (serverVersion: number): Sql[] => {
  const settings: Record<string, string> = {
    lock_timeout: '0',
    idle_in_transaction_session_timeout: '0',
    row_security: 'off',
    search_path: 'pg_catalog',
    client_encoding: 'UTF8',
    DateStyle: 'ISO, YMD',
    IntervalStyle: 'postgres',
    TimeZone: 'UTC',
    extra_float_digits: '1',
    bytea_output: 'hex',
    lc_monetary: 'C',
    xmloption: 'content',
    synchronous_commit: 'on',
    standard_conforming_strings: 'on',
    default_transaction_read_only: 'off',
    default_transaction_isolation: 'read committed',
    default_transaction_deferrable: 'off',
    // Both would be started for what the planner takes for large, and take longer than most of our statements do.
    jit: 'off',
    max_parallel_workers_per_gather: '0',
    plan_cache_mode: 'force_generic_plan',
    client_min_messages: 'error',
    check_function_bodies: 'off',
    ...(serverVersion >= 140000 ? { idle_session_timeout: '0' } : {}),
    ...(serverVersion >= 170000 ? { transaction_timeout: '0' } : {}),
  };
  return Object.entries(settings).map(
    ([name, value]) => sql`set session ${sql.id(name)} = ${sql.literal(value)}`,
  );
};
