/**
 * Runs one active sync: its lanes, and what goes on beside them (the clock, the look at the catalogue, the lag).
 *
 * A worker lives as long as the members and relations of its sync stay the same; anything else that is changed is
 * taken up by `adopt` with the next round.
 */
import type { KickOutcome } from '../control/kick.ts';
import type { Db } from '../control/db.ts';
import { settleCopies } from '../control/copy-request.ts';
import {
  type DatabaseId,
  hasDeltas,
  type Member,
  type RelationId,
  sources,
  type SyncDefinition,
  type SyncId,
} from '../model/topology.ts';
import type { Reached } from '../replication/fault-point.ts';
import { Rendezvous } from '../replication/read/rendezvous.ts';
import type { ReadingPlace } from '../replication/read-round.ts';
import type { RoundOutcome } from '../replication/round.ts';
import type { Clock } from '../runtime/clock.ts';
import { nextCronTime } from '../runtime/cron.ts';
import type { Log } from '../runtime/log.ts';
import { inBackground } from './background.ts';
import { CatalogueWatch } from './catalogue-watch.ts';
import type { ControlWriter } from './control-writer.ts';
import type { Databases } from './databases.ts';
import { asLastError } from './failure-report.ts';
import { measureLags } from './lag-meter.ts';
import { Lane } from './lane.ts';
import { nextCopyAt } from './due.ts';
import { membersOf, planLanes } from './lane-plan.ts';
import { LaneReport, type Unwatched } from './lane-report.ts';
import { repeat } from './periodic.ts';
import { PublicationWatch } from './publication-watch.ts';
import type { RoundGate } from './round-gate.ts';
import type { StatusBoard } from './status-board.ts';

/** What all workers share. */
export interface WorkerSurroundings {
  readonly schema: string;
  readonly databases: Databases;
  /** Why the changes of a database are not told of at present; null: they are. */
  readonly watchProblemOf: (database: DatabaseId) => unknown;
  readonly gate: RoundGate;
  readonly board: StatusBoard;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly reached: Reached;
  readonly writer: Pick<ControlWriter, 'write'>;
  /** The lease of the sync has not ended, by the daemon's own clock. */
  readonly isHeld: (sync: SyncId) => boolean;
  /** The sync must wait for a person. */
  readonly onPause: (sync: SyncDefinition) => void;
}

const catalogueEveryMs = 10_000;
const lagEveryMs = 3_000;
/** No trigger tells of a sequence. */
const sequencesEveryMs = 5_000;
const clockEveryMs = 250;
/** How long a round under way may go on when the worker is told to stop. */
const graceMs = 3_000;
/** How long the servers have to answer to a connection that is cut off. */
const abortMs = 1_000;

export class SyncWorker {
  readonly #surroundings: WorkerSurroundings;
  readonly #lanes: readonly Lane[];
  readonly #catalogue: CatalogueWatch;
  readonly #publications: PublicationWatch;
  readonly #stopping = new AbortController();
  /** Databases that have the copy of the present generation, or need none. */
  #copied = new Set<DatabaseId>();
  /** The generation of which the control store has been told that it is copied everywhere. */
  #settledGeneration: number | null = null;
  #definition: SyncDefinition;
  /** These two by `Clock.elapsed`. */
  #lastClockAt: number;
  #lastSequencesAt: number;
  /** These two by `Clock.now`: when rounds were begun because of the cron expression, and each lane that copies because it was due. */
  #lastCronAt: number;
  readonly #dueAt = new Map<Lane, number>();
  #running: Promise<unknown> = Promise.resolve();

  constructor(definition: SyncDefinition, surroundings: WorkerSurroundings) {
    const { clock, log, board, schema, databases, writer, isHeld } = surroundings;
    this.#definition = definition;
    this.#surroundings = surroundings;
    this.#lastClockAt = clock.elapsed();
    this.#lastSequencesAt = clock.elapsed();
    this.#lastCronAt = clock.now();
    const syncLog = log.with({ sync: definition.name });
    const readingPlace: ReadingPlace = new Rendezvous(() => clock.elapsed());
    this.#lanes = planLanes(definition).map((plan) => {
      const names = plan.written.map(({ database }) => database.name).join(',');
      const report = new LaneReport({
        syncId: definition.id,
        written: plan.written,
        isMeasured: plan.kind !== 'fullcopy',
        unwatched: () => this.#unwatched(plan.readers),
        board,
        clock,
        log: syncLog.with({ writes: names }),
      });
      return new Lane({
        ...surroundings,
        plan,
        report,
        log: syncLog,
        definition: () => this.#definition,
        mayWrite: () => isHeld(definition.id),
        readingPlace,
        onEnd: (outcome, sync) => this.#noteOutcome(outcome, sync.copyGeneration),
        onCatalog: (database, catalog) => this.#catalogue.note(database, catalog),
        onPause: () => surroundings.onPause(this.#definition),
      });
    });
    const write = (work: (db: Db) => Promise<void>): void => writer.write(definition.id, work);
    this.#publications = new PublicationWatch({ databases, write });
    this.#catalogue = new CatalogueWatch({
      schema,
      databases,
      lanes: this.#lanes,
      log: syncLog,
      write,
      syncId: definition.id,
      definition: () => this.#definition,
      signal: this.#stopping.signal,
    });
  }

  get definition(): SyncDefinition {
    return this.#definition;
  }

  start(): void {
    const { clock, log } = this.#surroundings;
    const around = { clock, log: log.with({ sync: this.#definition.name }), signal: this.#stopping.signal };
    for (const lane of this.#lanes) lane.start();
    if (this.#definition.onetimecopy !== 0) this.#copyWhole();
    this.#showReaders();
    this.#running = Promise.all([
      repeat({ name: 'the clock', everyMs: clockEveryMs, work: async () => this.#lookAtClock() }, around),
      repeat(
        { name: 'the look at the catalogue', everyMs: catalogueEveryMs, work: () => this.#catalogue.look() },
        around,
      ),
      repeat(
        {
          name: 'the look for publications',
          everyMs: catalogueEveryMs,
          work: () => this.#publications.look(this.#definition),
        },
        around,
      ),
      repeat({ name: 'measuring the lag', everyMs: lagEveryMs, work: () => this.#measureLags() }, around),
    ]);
  }

  /** Rounds under way may end; those that take too long are cut off. */
  async stop(): Promise<void> {
    const { clock } = this.#surroundings;
    const { signal } = this.#end();
    await clock.sleep(graceMs, signal);
    if (!signal.aborted) await this.#abort(signal);
  }

  /** Nothing is written any more from now on; returns when nothing runs any more. */
  async cutOff(): Promise<void> {
    const { signal } = this.#end();
    await this.#abort(signal);
  }

  /** Begins no round any more; what is returned aborts when the last one has ended. */
  #end(): AbortController {
    this.#stopping.abort();
    const ended = Promise.all([this.#running, ...this.#lanes.map((lane) => lane.stop())]);
    const isOver = new AbortController();
    void inBackground('ending a sync', () => ended.finally(() => isOver.abort()), this.#surroundings.log);
    return isOver;
  }

  async #abort(isOver: AbortSignal): Promise<void> {
    for (const lane of this.#lanes) lane.abort();
    await this.#surroundings.clock.sleep(abortMs, isOver);
  }

  /** A definition for which the same lanes serve. */
  adopt(definition: SyncDefinition): void {
    const isCopyWanted = definition.copyGeneration !== this.#definition.copyGeneration;
    this.#definition = definition;
    if (isCopyWanted) {
      this.#copied = new Set();
      if (definition.onetimecopy !== 0) this.#copyWhole();
    }
    for (const lane of this.#lanes) lane.hurry();
  }

  /** A source has changed in these tables. */
  wake(source: DatabaseId, tables: ReadonlySet<RelationId> | 'all'): void {
    const { autokick, relations } = this.#definition;
    if (!autokick || (tables !== 'all' && !relations.some(({ id }) => tables.has(id)))) return;
    for (const lane of this.#readingLanes) {
      if (lane.plan.readers.some(({ database }) => database.id === source)) lane.wake();
    }
  }

  /** A database has gone away, has come back or was restarted. */
  databaseChanged(id: DatabaseId): void {
    for (const lane of this.#lanes) {
      if (membersOf(lane.plan).some(({ database }) => database.id === id)) lane.lookAgain();
    }
    this.#showReaders();
  }

  /** The watch of a source was lost or is back: the lanes that read it look for themselves, and tell. */
  watchChanged(source: DatabaseId): void {
    this.wake(source, 'all');
    this.#showReaders();
  }

  /** Every lane runs once more; the first failure counts. */
  async kick(): Promise<KickOutcome> {
    const results = await Promise.all(this.#lanes.map((lane) => lane.kick()));
    const error = results.find((result) => result !== null);
    return error === undefined ? { result: 'done' } : { result: 'failed', ...asLastError(error) };
  }

  /** Those to which changes are brought. */
  get #readingLanes(): readonly Lane[] {
    return this.#lanes.filter(({ plan }) => plan.kind !== 'fullcopy');
  }

  /** Those of databases that are replaced whole. */
  get #copyingLanes(): readonly Lane[] {
    return this.#lanes.filter(({ plan }) => plan.kind === 'fullcopy');
  }

  #copyWhole(): void {
    for (const lane of this.#copyingLanes) lane.wake();
  }

  #lookAtClock(): void {
    this.#lookForChanges();
    for (const lane of this.#copyingLanes) this.#lookForCopy(lane);
  }

  #lookForCopy(lane: Lane): void {
    const { board, clock } = this.#surroundings;
    const { id } = this.#definition;
    const goodAts = lane.plan.written.map(
      ({ database }) => board.get({ syncId: id, databaseId: database.id }).lastGoodAt,
    );
    const lastAt = Math.max(0, this.#dueAt.get(lane) ?? 0, ...goodAts.map((at) => at ?? 0));
    const dueAt = nextCopyAt(this.#definition, lastAt === 0 ? null : lastAt);
    if (dueAt === null || dueAt > clock.now()) return;
    this.#dueAt.set(lane, clock.now());
    lane.wake();
  }

  #lookForChanges(): void {
    const { checktimeMs, cron, relations, autokick } = this.#definition;
    const now = this.#surroundings.clock.elapsed();
    const wallNow = this.#surroundings.clock.now();
    const hasSequences = relations.some(({ kind }) => kind === 'sequence');
    const isDue = checktimeMs !== null && now - this.#lastClockAt >= checktimeMs;
    const cronAt = cron === null ? null : nextCronTime(cron, this.#lastCronAt);
    const isCronDue = cronAt !== null && cronAt <= wallNow;
    const isSequenceDue = autokick && hasSequences && now - this.#lastSequencesAt >= sequencesEveryMs;
    if (isDue) this.#lastClockAt = now;
    if (isSequenceDue) this.#lastSequencesAt = now;
    if (isCronDue) this.#lastCronAt = wallNow;
    if (isDue || isCronDue || isSequenceDue) for (const lane of this.#readingLanes) lane.wake();
  }

  /** A database that is only read has no lane of its own: it is in step with itself, or away. */
  #showReaders(): void {
    const { board, databases } = this.#surroundings;
    const readers = sources(this.#definition);
    const [only] = readers;
    if (only === undefined || readers.length > 1) return;
    const place = { syncId: this.#definition.id, databaseId: only.database.id };
    const error = databases.problemOf(only.database.id)?.error ?? this.#unwatched([only])?.error ?? null;
    board.update(
      place,
      error === null
        ? { state: 'idle', waitingFor: null, lastError: null, rowsBehind: 0, secondsBehind: 0 }
        : {
            state: 'waiting',
            waitingFor: `database ${only.database.name}`,
            lastError: asLastError(error),
          },
    );
  }

  /** Of those that take part; one that is away is told to be away by the lanes. */
  #unwatched(readers: readonly Member[]): Unwatched | null {
    if (!this.#definition.autokick || !hasDeltas(this.#definition)) return null;
    const { watchProblemOf, databases } = this.#surroundings;
    const problems = readers
      .filter(({ database }) => databases.isUp(database.id))
      .map(({ database }) => ({ database, error: watchProblemOf(database.id) }));
    return problems.find(({ error }) => error !== null) ?? null;
  }

  #measureLags(): Promise<void> {
    return measureLags({ ...this.#surroundings, sync: this.#definition, lanes: this.#lanes });
  }

  #noteOutcome(outcome: RoundOutcome, copyGeneration: number): void {
    const isCurrent = copyGeneration === this.#definition.copyGeneration;
    if (this.#definition.copies.length === 0 || !isCurrent || copyGeneration === this.#settledGeneration)
      return;
    // A round without a copy means that none was needed, for a needed one is part of the round.
    for (const [database, result] of outcome) if (result.kind !== 'bad') this.#copied.add(database);
    const lanes = this.#definition.onetimecopy === 0 ? this.#readingLanes : this.#lanes;
    const databases = lanes.flatMap(({ plan }) => plan.written.map(({ database }) => database.id));
    if (!databases.every((database) => this.#copied.has(database))) return;
    this.#settledGeneration = copyGeneration;
    const { id } = this.#definition;
    this.#surroundings.writer.write(id, (db) => settleCopies(db, { id, copyGeneration, databases }));
  }
}
