/**
 * What a lane tells the status board and the log. The log gets one line for each change of what the lane does;
 * rounds themselves are told at level debug.
 */
import type { RoundRecord } from '../control/round.ts';
import { isReplicationError } from '../model/errors.ts';
import type { Database, DatabaseId, Member, SyncId } from '../model/topology.ts';
import type { DatabaseOutcome, Progress, RoundOutcome } from '../replication/round.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { inBackground } from './background.ts';
import { asLastError } from './failure-report.ts';
import type { StateChange, StatusBoard } from './status-board.ts';

export interface Unwatched {
  readonly database: Database;
  readonly error: unknown;
}

export interface LaneReportOptions {
  readonly syncId: SyncId;
  /** All that the lane may write. */
  readonly written: readonly Member[];
  /** False: what a database does not have yet is not known. */
  readonly isMeasured: boolean;
  /** A source whose changes nobody tells of at present; null: all are watched, or need not be. */
  readonly unwatched: () => Unwatched | null;
  readonly board: StatusBoard;
  readonly clock: Clock;
  readonly log: Log;
}

/** A round that takes longer is shown as running even if it has not moved anything yet. */
const shownAfterMs = 1_000;

const inStep: StateChange = {
  state: 'idle',
  waitingFor: null,
  retryAt: null,
  lastError: null,
  rowsBehind: 0,
  secondsBehind: 0,
  copy: null,
};

export class LaneReport {
  readonly #options: LaneReportOptions;
  #startedAt = 0;
  /** The same moment, for measuring. */
  #startedElapsed = 0;
  #roundUnderWay = new AbortController();
  #troubled: readonly Member[];
  #told = '';

  constructor(options: LaneReportOptions) {
    this.#options = options;
    this.#troubled = options.written;
  }

  /** Nothing is to be done until somebody asks for it. How it went the last time, whoever was at work, stays. */
  rest(): void {
    const { lastError: _, ...rest } = this.#atRest();
    this.#setAll(this.#options.written, rest);
  }

  begin(written: readonly Member[]): void {
    const { clock, log } = this.#options;
    this.#startedAt = clock.now();
    this.#startedElapsed = clock.elapsed();
    this.#roundUnderWay = new AbortController();
    const { signal } = this.#roundUnderWay;
    const show = async (): Promise<void> => {
      await clock.sleep(shownAfterMs, signal);
      if (!signal.aborted) this.#setAll(written, { state: 'running', waitingFor: null, retryAt: null });
    };
    void inBackground('showing a round', show, log);
  }

  progress({ database, isCopy, tablesDone, tablesTotal, bytes }: Progress): void {
    this.#roundUnderWay.abort();
    const copy = isCopy ? { tablesDone, tablesTotal, bytesDone: bytes } : null;
    this.#set(database, { state: isCopy ? 'copying' : 'running', waitingFor: null, retryAt: null, copy });
  }

  /** The outcome of a round; what happens next after a failure is told by the methods below. */
  end(outcome: RoundOutcome): void {
    this.#roundUnderWay.abort();
    for (const [database, result] of outcome) this.#endOn(database, result);
    this.#troubled = this.#options.written.filter(({ database }) => outcome.get(database.id)?.kind === 'bad');
    if (this.#troubled.length === 0) this.#tellInStep();
  }

  /** A round that was cut off on purpose: only what was committed counts, and is returned. */
  cutOff(outcome: RoundOutcome): RoundOutcome {
    this.#roundUnderWay.abort();
    const committed = new Map([...outcome].filter(([, { kind }]) => kind === 'good'));
    for (const [database, result] of committed) this.#endOn(database, result);
    return committed;
  }

  /** A database is away, and without it nothing can be done. */
  waiting(database: string, error: unknown): void {
    const change = { waitingFor: `database ${database}`, retryAt: null } as const;
    for (const member of this.#options.written)
      this.#setWaiting(member, error === null ? change : { ...change, lastError: asLastError(error) });
    this.#tellWaiting(database);
  }

  /** It is away, and the others go on. */
  absent({ database }: Pick<Member, 'database'>, error: unknown): void {
    const lastError = error === null ? null : asLastError(error);
    this.#setWaiting({ database }, { waitingFor: `database ${database.name}`, retryAt: null, lastError });
  }

  retrying(delayMs: number, error: unknown): void {
    const { log, clock } = this.#options;
    this.#setAll(this.#troubled, {
      state: 'retrying',
      waitingFor: null,
      retryAt: clock.now() + delayMs,
      lastError: asLastError(error),
      copy: null,
    });
    this.#tell(`retrying ${asLastError(error).code}`, () =>
      log.warn('round failed', { error, retryInMs: Math.round(delayMs) }),
    );
  }

  /** A person has to remove the cause. */
  stopped(error: unknown): void {
    const { log } = this.#options;
    this.#setAll(this.#troubled, {
      state: 'stopped',
      waitingFor: null,
      retryAt: null,
      lastError: asLastError(error),
      copy: null,
    });
    this.#tell(`stopped ${asLastError(error).message}`, () => log.error('needs attention', { error }));
  }

  #endOn(database: DatabaseId, result: DatabaseOutcome): void {
    if (result.kind === 'empty') return this.#endEmpty(database);
    const { clock, board, log } = this.#options;
    const now = clock.now();
    const record = this.#recordOf(database, result);
    board.record(record);
    if (result.kind === 'bad') {
      // A bug is logged with its stack each time: it comes once a minute at most.
      if (!isReplicationError(result.error)) log.error('round failed', { error: result.error });
      return this.#set(database, { lastBadAt: now, lastError: asLastError(result.error) });
    }
    const { inserted, updated, deleted, conflicts } = record;
    log.debug('round done', {
      databaseId: database,
      inserted,
      updated,
      deleted,
      conflicts,
      ms: this.#tookMs(),
    });
    return this.#set(database, { ...this.#atRest(), lastGoodAt: now, lastGoodMs: this.#tookMs() });
  }

  #tookMs(): number {
    return Math.round(this.#options.clock.elapsed() - this.#startedElapsed);
  }

  /** A round without work is good news only where there was bad news. */
  #endEmpty(database: DatabaseId): void {
    const { clock, board, syncId } = this.#options;
    const { state, waitingFor, lastBadAt, lastGoodAt } = board.get({ syncId, databaseId: database });
    const rest = this.#atRest();
    if (state === rest.state && waitingFor === rest.waitingFor) return;
    const isNews = lastGoodAt === null || (lastBadAt !== null && lastBadAt > lastGoodAt);
    this.#set(database, isNews ? { ...rest, lastGoodAt: clock.now(), lastGoodMs: this.#tookMs() } : rest);
  }

  /** After a round that went well. A source that is not watched may have changes that nobody has told of. */
  #atRest(): StateChange {
    const { isMeasured } = this.#options;
    if (!isMeasured) return { ...inStep, rowsBehind: null, secondsBehind: null };
    const unwatched = this.#options.unwatched();
    if (unwatched === null) return inStep;
    return {
      ...inStep,
      state: 'waiting',
      waitingFor: `database ${unwatched.database.name}`,
      lastError: asLastError(unwatched.error),
      rowsBehind: null,
      secondsBehind: null,
    };
  }

  #tellInStep(): void {
    const { log, unwatched, isMeasured } = this.#options;
    const missing = unwatched();
    if (missing === null) this.#tell('in step', () => log.info(isMeasured ? 'replicating' : 'copied'));
    else this.#tellWaiting(missing.database.name);
  }

  #tellWaiting(database: string): void {
    const { log } = this.#options;
    this.#tell(`waiting ${database}`, () => log.warn('waiting for a database', { waitingFor: database }));
  }

  #recordOf(database: DatabaseId, result: Exclude<DatabaseOutcome, { kind: 'empty' }>): RoundRecord {
    const { syncId, clock } = this.#options;
    const none = { inserted: 0, updated: 0, deleted: 0, conflicts: 0 };
    const error = result.kind === 'bad' ? asLastError(result.error) : null;
    return {
      syncId,
      databaseId: database,
      startedAt: this.#startedAt,
      endedAt: clock.now(),
      outcome: result.kind,
      ...(result.kind === 'good' ? result.applied : none),
      errorCode: error?.code ?? null,
      errorMessage: error?.message ?? null,
    };
  }

  /** How far it is behind is not known any more, until that has been measured. */
  #setWaiting({ database }: Pick<Member, 'database'>, change: Omit<StateChange, 'state'>): void {
    const { board, syncId } = this.#options;
    const { state } = board.get({ syncId, databaseId: database.id });
    const behind = state === 'waiting' ? {} : { rowsBehind: null, secondsBehind: null };
    this.#set(database.id, { ...change, ...behind, state: 'waiting' });
  }

  #setAll(members: readonly Member[], change: StateChange): void {
    for (const { database } of members) this.#set(database.id, change);
  }

  #set(databaseId: DatabaseId, change: StateChange): void {
    const { board, syncId } = this.#options;
    board.update({ syncId, databaseId }, change);
  }

  #tell(what: string, write: () => void): void {
    if (what !== this.#told) write();
    this.#told = what;
  }
}
