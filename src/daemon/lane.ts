/**
 * A lane runs the rounds of databases that are written together, one at a time.
 *
 * It has its own positions, catalogs and pace, so a database that is slow or away delays nobody else. Nothing of it is
 * stored: a lane that starts anew asks the databases for their positions. After any failure what it knew is thrown
 * away, and `retry.ts` says what is next; `Pacer` holds what is in the way until then.
 */
import type { Position } from '../connectors/postgres/position.ts';
import { isReplicationError, ReplicationError } from '../model/errors.ts';
import type { DatabaseId, Member, SyncDefinition } from '../model/topology.ts';
import {
  type DatabaseOutcome,
  emptyMemory,
  type RoundMemory,
  type RoundOutcome,
  runRound,
} from '../replication/round.ts';
import type { Reached } from '../replication/fault-point.ts';
import type { ReadingPlace } from '../replication/read-round.ts';
import { type Backoff, createBackoff } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { inBackground } from './background.ts';
import { Catalogs, type CatalogsOptions } from './catalogs.ts';
import { copiedFirst } from './copy-order.ts';
import type { Databases } from './databases.ts';
import { LaneLoans } from './lane-loans.ts';
import { type LanePlan, membersOf, presenceOf } from './lane-plan.ts';
import type { LaneReport } from './lane-report.ts';
import { Pacer, type RoundResult } from './pacer.ts';
import { afterBugMs, decideNext, gravest } from './retry.ts';
import type { RoundGate } from './round-gate.ts';
import { restAfter } from './schedule.ts';
import { runFullCopy } from '../replication/full-copy.ts';

export interface LaneOptions {
  readonly plan: LanePlan;
  /** As it is now: what lanes do not depend on may change while they work. */
  readonly definition: () => SyncDefinition;
  readonly schema: string;
  readonly databases: Databases;
  readonly gate: RoundGate;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly report: LaneReport;
  readonly reached: Reached;
  /** See `RoundContext.mayWrite`. */
  readonly mayWrite: () => boolean;
  /** The same for all lanes of the sync. */
  readonly readingPlace: ReadingPlace;
  readonly onEnd: (outcome: RoundOutcome, sync: SyncDefinition) => void;
  readonly onCatalog: CatalogsOptions['onRead'];
  /** The sync must not go on before a person has decided. */
  readonly onPause: () => void;
}

const soonMs = { firstMs: 50, lastMs: 800 };
const laterMs = { firstMs: 500, lastMs: 30_000 };
/** Until the sources have settled what a target had to choose itself. */
const unsettledMs = { firstMs: 50, lastMs: 1_000 };

export class Lane {
  readonly plan: LanePlan;
  readonly catalogs: Catalogs;
  readonly #options: LaneOptions;
  readonly #pacer: Pacer;
  readonly #stopping = new AbortController();
  readonly #loans: LaneLoans;
  readonly #soon: Backoff;
  readonly #later: Backoff;
  readonly #unsettled: Backoff;
  /** By written database, as of its last good round: outlives failures, for measuring how far it is behind. */
  readonly #applied = new Map<DatabaseId, readonly Position[]>();
  #memory: RoundMemory = emptyMemory();
  #failureCount = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(options: LaneOptions) {
    const { plan, clock, random, databases, schema, definition, onCatalog } = options;
    this.plan = plan;
    this.#options = options;
    this.#pacer = new Pacer(clock, this.#readsChanges);
    this.#soon = createBackoff({ ...soonMs, random });
    this.#later = createBackoff({ ...laterMs, random });
    this.#unsettled = createBackoff({ ...unsettledMs, random });
    this.#loans = new LaneLoans(databases);
    this.catalogs = new Catalogs({
      schema,
      definition,
      members: membersOf(plan),
      borrow: (database) => this.#loans.borrow(database),
      serverVersion: (database) => databases.serverVersion(database),
      onRead: onCatalog,
    });
  }

  start(): void {
    if (!this.#readsChanges) this.#options.report.rest();
    this.#running = inBackground('a lane', () => this.#run(), this.#options.log);
  }

  /** The round under way goes on to its end. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** After `stop`: the round under way is cut off; the servers roll it back. */
  abort(): void {
    this.#loans.abort();
  }

  /** There may be changes, or it is time. */
  wake(): void {
    this.#pacer.wake();
  }

  /** Something has changed for the better: no use in waiting. That is no reason to copy a database whole once more. */
  hurry(): void {
    if (this.#readsChanges || this.#pacer.isHeldUp) this.#pacer.hurry();
  }

  /** A database has gone away, has come back or was restarted. It may have been set back, so it is asked anew where it stands. */
  lookAgain(): void {
    this.#forget();
    this.hurry();
  }

  /** The result of a round that begins after this call. */
  kick(): Promise<RoundResult> {
    return this.#pacer.kick();
  }

  /** Where a written database stood after its last good round; null when this lane has not seen one. */
  lastPositions(database: DatabaseId): readonly Position[] | null {
    return this.#applied.get(database) ?? null;
  }

  /** False: it copies all there is when it is asked, and has nothing to look for by itself. */
  get #readsChanges(): boolean {
    return this.plan.kind !== 'fullcopy';
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let turn = await this.#pacer.next(signal); turn !== null; turn = await this.#pacer.next(signal)) {
      const result = this.#attempt(turn.isKicked).catch((error: unknown) => this.#meetBug(error));
      turn.answer(await result);
    }
    this.#pacer.end(interrupted());
  }

  async #attempt(isKicked: boolean): Promise<RoundResult> {
    const { databases, report, definition, clock } = this.#options;
    if (isKicked) await this.#lookAtMissing();
    const presence = presenceOf(this.plan, (database) => databases.isUp(database));
    if (presence.kind === 'missing') return this.#waitFor(presence.member);
    const { sources, written } = presence;
    for (const member of this.plan.written.filter((candidate) => !written.includes(candidate))) {
      report.absent(member, databases.problemOf(member.database.id)?.error ?? null);
    }
    const sync = definition();
    const startedAt = clock.elapsed();
    const outcome = await this.#round(sync, sources, written).catch((error: unknown) =>
      allBad(written, error),
    );
    const result = await this.#conclude(sync, outcome, new Set(idsOf([...sources, ...written])));
    if (result === null) this.#rest(outcome, clock.elapsed() - startedAt);
    return result;
  }

  async #lookAtMissing(): Promise<void> {
    const { databases } = this.#options;
    const missing = idsOf(membersOf(this.plan)).filter((id) => !databases.isUp(id));
    await Promise.all(missing.map((id) => databases.check(id)));
  }

  #waitFor({ database }: Member): RoundResult {
    const { databases, report } = this.#options;
    const error = databases.problemOf(database.id)?.error ?? null;
    this.#pacer.block({ kind: 'told' });
    report.waiting(database.name, error);
    return error ?? interrupted();
  }

  async #round(
    sync: SyncDefinition,
    sources: readonly Member[],
    present: readonly Member[],
  ): Promise<RoundOutcome> {
    const { gate, report, schema, reached, mayWrite, readingPlace } = this.#options;
    const claim = { read: idsOf(sources), written: idsOf(present) };
    using place = await gate.enter(claim, this.#stopping.signal);
    if (place === null) throw interrupted();
    if (this.#readsChanges) await this.catalogs.see([...sources, ...present]);
    const isGang = this.plan.kind === 'gang';
    const written = isGang
      ? await copiedFirst(sync, present, { schema, borrow: (id) => this.#loans.borrow(id) })
      : present;
    report.begin(written);
    const run = this.#readsChanges ? runRound : runFullCopy;
    return await run({
      sync,
      schema,
      sources,
      written,
      borrow: (database) => this.#loans.borrow(database),
      catalogOf: (database) => this.catalogs.get(database),
      memory: this.#memory,
      onProgress: (progress) => report.progress(progress),
      reached,
      mayWrite,
      readingPlace,
    });
  }

  async #conclude(
    sync: SyncDefinition,
    outcome: RoundOutcome,
    present: ReadonlySet<DatabaseId>,
  ): Promise<RoundResult> {
    const { report, onEnd } = this.#options;
    const errors = [...outcome.values()].flatMap((one) => (one.kind === 'bad' ? [one.error] : []));
    if (this.#stopping.signal.aborted && errors.length > 0) {
      onEnd(report.cutOff(outcome), sync);
      return interrupted();
    }
    report.end(outcome);
    onEnd(outcome, sync);
    for (const [database, positions] of this.#memory.positions) this.#applied.set(database, positions);
    if (errors.length > 0) return this.#fail(errors, present);
    this.#failureCount = 0;
    this.#soon.reset();
    this.#later.reset();
    // Under load the next changes are there already: waiting until they are told of takes longer (docs/decisions/0012).
    if (this.#readsChanges && [...outcome.values()].some(({ kind }) => kind === 'good')) this.wake();
    return null;
  }

  #rest(outcome: RoundOutcome, tookMs: number): void {
    const isSettled = [...outcome.values()].every((one) => one.kind !== 'good' || one.isSettled);
    if (isSettled) this.#unsettled.reset();
    const restMs = Math.max(
      restAfter({ rowCount: rowsIn(outcome), tookMs }),
      isSettled ? 0 : this.#unsettled.next(),
    );
    this.#pacer.block(
      restMs === 0 ? { kind: 'none' } : { kind: 'rest', until: this.#options.clock.elapsed() + restMs },
    );
  }

  async #fail(errors: readonly unknown[], present: ReadonlySet<DatabaseId>): Promise<RoundResult> {
    const { report, onPause } = this.#options;
    this.#forget();
    this.#failureCount += 1;
    const error = gravest(errors, this.#failureCount);
    const step = decideNext(error, this.#failureCount);
    switch (step.kind) {
      case 'soon':
        this.#retry(this.#soon.next(), error);
        break;
      case 'later':
        this.#retry(this.#later.next(), error);
        break;
      case 'reachable':
        await this.#awaitDatabase(step.database, error, present);
        break;
      case 'look_again':
      case 'bug':
        this.#stand(step.afterMs, error);
        break;
      case 'pause':
        this.#pacer.block({ kind: 'told' });
        report.stopped(error);
        onPause();
        break;
      default:
        step satisfies never;
    }
    return error;
  }

  /** Beside the rounds, whose failures are part of their outcome. The lane stands, and tries again by itself. */
  #meetBug(error: unknown): RoundResult {
    this.#forget();
    this.#stand(afterBugMs, error);
    return error;
  }

  #forget(): void {
    this.#memory = emptyMemory();
    this.catalogs.drop();
  }

  #stand(durationMs: number, error: unknown): void {
    this.#pacer.block({ kind: 'until', at: this.#options.clock.elapsed() + durationMs });
    this.#options.report.stopped(error);
  }

  #retry(delayMs: number, error: unknown): void {
    const { clock, report } = this.#options;
    this.#pacer.block({ kind: 'until', at: clock.elapsed() + delayMs });
    report.retrying(delayMs, error);
  }

  /** Was it a connection that broke, or is the database away? */
  async #awaitDatabase(name: string, error: unknown, present: ReadonlySet<DatabaseId>): Promise<void> {
    const { databases, report } = this.#options;
    const database = databases.find(name);
    if (database === null) return this.#retry(this.#later.next(), error);
    // One that is known to be away is being looked for already.
    const answers = databases.isUp(database.id) && (await databases.check(database.id));
    if (answers) return this.#retry(this.#soon.next(), error);
    this.#pacer.block({ kind: 'told' });
    // Without it the others may go on; the next turn finds out. One that was missed already must come back first.
    if (present.has(database.id)) this.hurry();
    else report.waiting(name, isReplicationError(error) ? error : null);
  }
}

const idsOf = (members: readonly Member[]): DatabaseId[] => members.map(({ database }) => database.id);

const rowsIn = (outcome: RoundOutcome): number =>
  [...outcome.values()].reduce((sum, one) => {
    if (one.kind !== 'good') return sum;
    const { inserted, updated, deleted } = one.applied;
    return sum + inserted + updated + deleted;
  }, 0);

const allBad = (written: readonly Member[], error: unknown): RoundOutcome =>
  new Map(idsOf(written).map((id): [DatabaseId, DatabaseOutcome] => [id, { kind: 'bad', error }]));

const interrupted = (): ReplicationError =>
  new ReplicationError('interrupted', {
    message: 'The sync was stopped or changed before the round had ended.',
  });
