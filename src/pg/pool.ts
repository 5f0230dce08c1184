/**
 * A few sessions to one database, lent and taken back.
 *
 * - At most `max` sessions are open or being opened. Those who wait are served in the order in which they came.
 * - The session used last is lent first, so that what it remembers (`Session.memory`) is used again and the others
 *   may grow old and be closed.
 * - A session is lent again only if it is whole: connected, and in no transaction.
 */
import { ReplicationError } from '../model/errors.ts';
import type { ConnectionParameters } from '../model/topology.ts';
import { connect } from './conninfo.ts';
import type { Session } from './session.ts';

export interface PoolOptions {
  readonly label: string;
  readonly parameters: ConnectionParameters;
  readonly applicationName?: string;
  readonly max?: number;
  /** How long a session that nobody uses stays open. */
  readonly idleMs?: number;
}

/** A borrowed session; given back when disposed of. */
export interface Loan extends AsyncDisposable {
  readonly session: Session;
  /** The session is closed instead of lent again: for one whose state is not known. */
  discard(): void;
}

export interface Pool {
  /** @throws ReplicationError what `connect` throws; `interrupted` when the signal aborts or the pool is closed */
  acquire(signal?: AbortSignal): Promise<Loan>;
  /**
   * Breaks every session, also those that are lent: the server is silent, and what waits for it would wait for very long.
   * @returns the server processes behind them, which may not know it yet
   */
  sever(): number[];
  /** Closes what is idle, refuses what waits; borrowed sessions are closed when they come back. May be called twice. */
  close(): Promise<void>;
}

export const createPool = (options: PoolOptions): Pool => new SessionPool(options);

interface IdleSession {
  readonly session: Session;
  readonly expiry: NodeJS.Timeout;
}

/** Null stands for the permission to open a session. */
type Grant = Session | null;

interface Waiter {
  readonly grant: (grant: Grant) => void;
  readonly refuse: (error: ReplicationError) => void;
}

class SessionPool implements Pool {
  readonly #options: Required<PoolOptions>;
  readonly #idle: IdleSession[] = [];
  readonly #waiters: Waiter[] = [];
  readonly #sessions = new Set<Session>();
  /** Open, being opened, or permitted to be opened. */
  #openCount = 0;
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = { applicationName: 'tahr', max: 8, idleMs: 30_000, ...options };
  }

  async acquire(signal?: AbortSignal): Promise<Loan> {
    const grant = await this.#granted(signal);
    const session = grant ?? (await this.#open());
    if (this.#isClosed || signal?.aborted === true) {
      this.#takeBack(session, false);
      throw this.#interrupted();
    }
    return this.#lend(session);
  }

  sever(): number[] {
    const sessions = [...this.#sessions];
    for (const session of sessions) session.destroy();
    return sessions.flatMap(({ backendPid }) => backendPid ?? []);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const waiter of this.#waiters.splice(0)) waiter.refuse(this.#interrupted());
    await Promise.all(this.#idle.splice(0).map((idle) => this.#retire(idle)));
  }

  /** An idle session, permission to open one, or a place in the queue. */
  async #granted(signal: AbortSignal | undefined): Promise<Grant> {
    if (this.#isClosed || signal?.aborted === true) throw this.#interrupted();
    const idle = this.#idle.pop();
    if (idle !== undefined) {
      clearTimeout(idle.expiry);
      return idle.session;
    }
    if (this.#openCount < this.#options.max) {
      this.#openCount += 1;
      return null;
    }
    return this.#queued(signal);
  }

  #queued(signal: AbortSignal | undefined): Promise<Grant> {
    const { promise, resolve, reject } = Promise.withResolvers<Grant>();
    const waiter: Waiter = { grant: resolve, refuse: reject };
    const leave = () => {
      const index = this.#waiters.indexOf(waiter);
      if (index >= 0) this.#waiters.splice(index, 1);
      reject(this.#interrupted());
    };
    this.#waiters.push(waiter);
    signal?.addEventListener('abort', leave, { once: true });
    return promise.finally(() => signal?.removeEventListener('abort', leave));
  }

  async #open(): Promise<Session> {
    const { parameters, label, applicationName } = this.#options;
    try {
      const session = await connect(parameters, { label, applicationName });
      this.#sessions.add(session);
      session.onEnd(() => {
        this.#sessions.delete(session);
        this.#dropIdle(session);
      });
      return session;
    } catch (error) {
      this.#releasePlace();
      throw error;
    }
  }

  #lend(session: Session): Loan {
    let isBack = false;
    let isDiscarded = false;
    return {
      session,
      discard() {
        isDiscarded = true;
      },
      [Symbol.asyncDispose]: async () => {
        if (isBack) return;
        isBack = true;
        this.#takeBack(session, isDiscarded);
      },
    };
  }

  #takeBack(session: Session, isDiscarded: boolean): void {
    if (isDiscarded || this.#isClosed || !session.isUsable || session.isInTransaction) {
      session.destroy();
      this.#releasePlace();
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) waiter.grant(session);
    else this.#rest(session);
  }

  #rest(session: Session): void {
    const expiry = setTimeout(() => this.#dropIdle(session), this.#options.idleMs);
    expiry.unref();
    this.#idle.push({ session, expiry });
  }

  /** Too old, or broken while nobody used it. */
  #dropIdle(session: Session): void {
    const index = this.#idle.findIndex((idle) => idle.session === session);
    const [idle] = index < 0 ? [] : this.#idle.splice(index, 1);
    if (idle !== undefined) void this.#retire(idle);
  }

  async #retire({ session, expiry }: IdleSession): Promise<void> {
    clearTimeout(expiry);
    await session.close();
    this.#releasePlace();
  }

  /** The first in the queue may open a session in the place of the one that is gone. */
  #releasePlace(): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#openCount -= 1;
    else waiter.grant(null);
  }

  #interrupted(): ReplicationError {
    const { label } = this.#options;
    return new ReplicationError('interrupted', {
      message: `${label}: no session is needed any more`,
      facts: { database: label },
    });
  }
}
