/**
 * Writing a database: one READ COMMITTED transaction per round, in which rows, position, relayed versions and
 * conflict records become durable together.
 *
 * The order is the argument. The fence comes first. Where applications write too, the rows are locked before
 * their own changes are looked at, so what is decided is decided on what is there; rows that nobody could lock because
 * they did not exist are looked at again after they have been inserted.
 */
import type { Readable } from 'node:stream';
import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isReplicationError, ReplicationError } from '../../model/errors.ts';
import { formatRelation, type RelationName, type SyncId } from '../../model/topology.ts';
import { failureOf } from '../../pg/failure.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import {
  deferrableCollisions,
  deleteGone,
  deleteStaged,
  insertMissing,
  lockRows,
  needsReplacement,
  stageAbsentRows,
  updateChanged,
} from './apply.ts';
import { contestedRows, type ContestedVersion, decodeContested, type LocalChanges } from './contest.ts';
import { readFingerprints } from './fingerprint.ts';
import { movePosition, type Position, type Snapshot } from './position.ts';
import { tableAltered } from './reader.ts';
import { advanceSequence, isFurther, readSequences, type SequenceValue } from './sequences.ts';
import { createStage, stagedColumnNames, type StagePlan } from './stage.ts';
import type { Table } from './table.ts';
import { suppressed, written } from './verify.ts';

/** What a round has written to one table. */
export interface AppliedRows {
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
}

export interface WriterOptions {
  readonly schema: string;
  /** Applications write this database too. */
  readonly hasWriters: boolean;
}

/** How long a round waits for a lock before it gives way: less than `deadlock_timeout`, so we are the victim, not they. */
const lockTimeoutMs = 400;
/** A worker that dies half-way must not hold locks and fence for longer than this. */
const idleInTransactionTimeoutMs = 60_000;
/** Above this a stage is analyzed, so that no plan is made for an empty table. */
const analyzeBytesMin = 500_000;
const contestedPageSize = 2_000;

export class PostgresWriter {
  readonly #session: Session;
  readonly #schema: string;
  readonly #hasWriters: boolean;
  #segment = 0;

  constructor(session: Session, { schema, hasWriters }: WriterOptions) {
    this.#session = session;
    this.#schema = schema;
    this.#hasWriters = hasWriters;
  }

  get session(): Session {
    return this.#session;
  }

  /** The delta segment that is current here. */
  get segment(): number {
    return this.#segment;
  }

  /** Begins the transaction, with capture told that what follows is not an application's. */
  async begin(): Promise<void> {
    if (!this.#session.memory.has('writer')) await this.#prepareSession();
    const [, control] = await this.#session.script(
      sql`begin isolation level read committed read write`,
      sql`select last_value & 3 as segment from ${sql.id(this.#schema, 'control')}`,
    );
    this.#segment = Number(control?.[0]?.['segment']);
  }

  /** True when the table has no rows now. */
  async isEmpty(plan: StagePlan): Promise<boolean> {
    const { schema, name } = plan.table.relation;
    const [row] = await this.#session.query(
      sql`select not exists (select from ${sql.id(schema, name)}) as is_empty`,
    );
    return row?.['is_empty'] === 't';
  }

  /** Fills the stage with rows, which are asked for when there is something to take them. `onBytes` is told how many bytes have passed. */
  async load(plan: StagePlan, rows: () => Readable, onBytes: (bytes: number) => void): Promise<void> {
    await this.#ensureStage(plan);
    const { bytes } = await this.#copy(
      rows,
      sql`copy ${plan.stage} (${stagedColumnNames(plan)}) from stdin with (format binary)`,
      onBytes,
    );
    if (bytes > analyzeBytesMin) await this.#session.script(sql`analyze ${plan.stage}`);
  }

  /** Fills an empty table. Returns how many rows it has now. */
  async loadTable(plan: StagePlan, rows: () => Readable, onBytes: (bytes: number) => void): Promise<number> {
    const columns = sql.join(plan.columns.map(({ name }) => sql.id(name)));
    const { schema, name } = plan.table.relation;
    const { rowCount } = await this.#copy(
      rows,
      sql`copy ${sql.id(schema, name)} (${columns}) from stdin with (format binary)`,
      onBytes,
    );
    return rowCount;
  }

  /** After a whole table was staged: the rows that the source does not have are staged as gone. */
  async stageAbsentRows(plan: StagePlan, version: Parameters<typeof stageAbsentRows>[1]): Promise<void> {
    await this.#session.script(stageAbsentRows(plan, version));
  }

  /**
   * Moves the positions: the fence. Waits for another worker at the same step.
   * @throws ReplicationError `fenced`
   */
  async movePositions(sync: SyncId, positions: readonly Position[]): Promise<void> {
    try {
      await this.#session.script(
        ...positions.flatMap((position) => movePosition(this.#schema, sync, position)),
      );
    } catch (error) {
      if (!isReplicationError(error, 'unique_conflict')) throw error;
      throw new ReplicationError('fenced', {
        message: `${this.#session.label}: another worker has moved the position in the meantime.`,
        facts: { database: this.#session.label },
        cause: error,
      });
    }
  }

  /** Locks the rows that will change, where applications could change them too; says from when on they are ours. */
  async lock(plans: readonly StagePlan[]): Promise<Snapshot> {
    const locks = this.#hasWriters ? plans.flatMap(lockRows) : [];
    const results = await this.#session.script(
      ...locks,
      sql`select pg_catalog.pg_current_snapshot()::text as snapshot`,
    );
    return results.at(-1)?.[0]?.['snapshot'] ?? '';
  }

  /** The contested rows, a page at a time. */
  async *contested(plan: StagePlan, local: LocalChanges | null): AsyncGenerator<ContestedVersion[][]> {
    const cursor = sql.id('contested');
    const fetch = sql`fetch ${sql.verbatim(String(contestedPageSize))} from ${cursor}`;
    const results = await this.#session.script(
      sql`declare ${cursor} no scroll cursor for ${contestedRows(plan, local)}`,
      fetch,
    );
    let page = results.at(-1) ?? [];
    while (page.length > 0) {
      yield page.map(decodeContested);
      page = page.length < contestedPageSize ? [] : ((await this.#session.script(fetch))[0] ?? []);
    }
    await this.#session.script(sql`close ${cursor}`);
  }

  /** Statements that were decided on: verdicts, records, relayed versions. */
  async execute(...statements: readonly Sql[]): Promise<number[]> {
    return statements.length === 0 ? [] : this.#session.counts(...statements);
  }

  /**
   * Applies what is staged and not lost.
   * @param since the snapshot that `lock` returned
   * @throws ReplicationError `unique_conflict`, `row_refused`, `row_refused_by_trigger`, `given_way` and what else the server says
   */
  async apply(plan: StagePlan, since: Snapshot, local: LocalChanges | null): Promise<AppliedRows> {
    const applied = needsReplacement(plan) ? await this.#replace(plan) : await this.#update(plan);
    await this.#checkDeferrable(plan);
    if (this.#hasWriters) await this.#checkWritten(plan, since, local);
    else if (plan.table.firesInReplicaRole) await this.#checkSuppressed(plan);
    return applied;
  }

  /** Brings the sequences forward to the values wanted; those that are there already stay. */
  async advanceSequences(wanted: readonly SequenceValue[]): Promise<number> {
    const names: RelationName[] = wanted.map(({ relation }) => relation);
    const own = await readSequences(this.#session, names);
    const behind = own.flatMap((value, index) => {
      const goal = wanted[index] as SequenceValue;
      return isFurther(goal, value) ? [advanceSequence(value, goal)] : [];
    });
    if (behind.length > 0) await this.#session.script(...behind);
    return behind.length;
  }

  /**
   * The tables and the types inside them are still what the rows were staged for. Last before the commit: from our first
   * write on nobody makes a trigger.
   * @throws ReplicationError `table_altered`
   */
  async checkUnaltered(tables: readonly Table[]): Promise<void> {
    const oids = tables.map(({ oid }) => oid);
    const now = await readFingerprints(this.#session, this.#schema, oids);
    const altered = tables.find(({ oid, fingerprint }) => now.get(oid)?.table !== fingerprint);
    if (altered !== undefined) throw tableAltered(altered);
  }

  async commit(): Promise<void> {
    await this.#session.script(sql`commit`);
  }

  async abandon(): Promise<void> {
    if (this.#session.isUsable) await this.#session.script(sql`rollback`);
  }

  async #prepareSession(): Promise<void> {
    await this.#session.script(
      sql`set session lock_timeout = ${sql.literal(lockTimeoutMs)}`,
      sql`set session idle_in_transaction_session_timeout = ${sql.literal(idleInTransactionTimeoutMs)}`,
      sql`select pg_catalog.set_config(${`${this.#schema}.apply`}, 'on', false)`,
    );
    await this.#takeReplicaRole();
    this.#session.memory.set('writer', true);
  }

  /** Where the role may not, validate has made sure that nothing would fire. */
  async #takeReplicaRole(): Promise<void> {
    try {
      await this.#session.script(sql`set session session_replication_role = replica`);
    } catch (error) {
      if (!isReplicationError(error, 'privilege_missing')) throw error;
    }
  }

  async #ensureStage(plan: StagePlan): Promise<void> {
    const name = `stage_${plan.id}`;
    const definition = createStage(plan);
    const known = this.#session.memory.get(name);
    if (known === definition.inlined()) return;
    await this.#session.script(
      ...(known === undefined ? [] : [sql`drop table if exists ${plan.stage}`]),
      definition,
    );
    this.#session.memory.set(name, definition.inlined());
  }

  async #copy(
    rows: () => Readable,
    statement: Sql,
    onBytes: (bytes: number) => void,
  ): Promise<{ readonly bytes: number; readonly rowCount: number }> {
    const counter = new ByteCounter(onBytes);
    try {
      const taker = this.#session.copyIn(statement);
      await pipeline(rows(), counter, taker);
      return { bytes: counter.bytes, rowCount: taker.rowCount };
    } catch (error) {
      throw failureOf(error, this.#session.label);
    }
  }

  /** Values that change places between rows collide on the way; then the rows are taken out and put back. */
  async #update(plan: StagePlan): Promise<AppliedRows> {
    const updates = updateChanged(plan);
    try {
      const [, deleted = 0, ...counts] = await this.#session.counts(
        sql`savepoint before_apply`,
        deleteGone(plan),
        ...updates,
        insertMissing(plan, this.#hasWriters),
      );
      const updated = counts.slice(0, updates.length).reduce((sum, count) => sum + count, 0);
      return { deleted, updated, inserted: counts.at(-1) ?? 0 };
    } catch (error) {
      if (!isReplicationError(error, 'unique_conflict')) throw error;
      await this.#session.script(sql`rollback to savepoint before_apply`);
      return this.#replace(plan);
    }
  }

  async #replace(plan: StagePlan): Promise<AppliedRows> {
    const [deleted = 0, inserted = 0] = await this.#session.counts(
      deleteStaged(plan),
      insertMissing(plan, false),
    );
    return {
      deleted: Math.max(0, deleted - inserted),
      updated: Math.min(deleted, inserted),
      inserted: Math.max(0, inserted - deleted),
    };
  }

  async #checkDeferrable(plan: StagePlan): Promise<void> {
    const checks = deferrableCollisions(plan);
    if (checks.length === 0) return;
    const collision = (await this.#session.script(...checks)).flat()[0];
    if (collision === undefined) return;
    throw new ReplicationError('unique_conflict', {
      message: `${this.#session.label}: rows of ${formatRelation(plan.table.relation)} collide on the deferrable constraint ${collision['constraint']}.`,
      facts: {
        database: this.#session.label,
        table: plan.table.relation.name,
        constraint: collision['constraint'] ?? '',
      },
    });
  }

  async #checkSuppressed(plan: StagePlan): Promise<void> {
    const [rows = []] = await this.#session.script(suppressed(plan));
    if (rows.length > 0) throw this.#refusedByTrigger(plan);
  }

  /** An application that wrote the same rows comes first: then nothing can be said about a trigger. */
  async #checkWritten(plan: StagePlan, since: Snapshot, local: LocalChanges | null): Promise<void> {
    const checks = written(plan, since, local);
    const [notInserted = [], refused = [], overtaken = []] = await this.#session.script(
      checks.notInserted,
      checks.suppressed,
      checks.overtaken,
    );
    const [missing] = notInserted;
    const [late = 0] =
      missing?.['collides'] === 't' ? await this.#session.counts(insertMissing(plan, false)) : [];
    if (overtaken.length > 0 || late > 0) throw this.#givenWay(plan);
    if (refused.length > 0) throw this.#refusedByTrigger(plan);
    if (missing !== undefined && !plan.table.firesInReplicaRole) throw this.#givenWay(plan);
  }

  #refusedByTrigger({ table }: StagePlan): ReplicationError {
    return new ReplicationError('row_refused_by_trigger', {
      message: `${this.#session.label}: a trigger or rule of ${formatRelation(table.relation)} that is enabled as ALWAYS or REPLICA suppressed a replicated row, or changed its key.`,
      facts: { database: this.#session.label, table: table.relation.name },
    });
  }

  #givenWay(plan: StagePlan): ReplicationError {
    return new ReplicationError('given_way', {
      message: `${this.#session.label}: an application wrote rows of ${formatRelation(plan.table.relation)} at the same moment.`,
      facts: { database: this.#session.label, table: plan.table.relation.name },
    });
  }
}

class ByteCounter extends Transform {
  bytes = 0;
  readonly #onBytes: (bytes: number) => void;

  constructor(onBytes: (bytes: number) => void) {
    super();
    this.#onBytes = onBytes;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.bytes += chunk.length;
    this.#onBytes(chunk.length);
    done(null, chunk);
  }
}
