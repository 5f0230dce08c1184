/**
 * Writing a database: one READ COMMITTED transaction per round, in which rows, position, relayed versions and
 * conflict records become durable together.
 *
 * The order is the argument. The fence comes first. Where applications write too, the rows are locked before
 * their own changes are looked at, so what is decided is decided on what is there; rows that nobody could lock because
 * they did not exist are looked at again after they have been inserted.
 */
import { isReplicationError, ReplicationError } from '../../model/errors.ts';
import { formatRelation, type RelationId, type SyncId } from '../../model/topology.ts';
import { all, type Request, say } from '../../pg/request.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { lockRows, stageAbsentRows, type StagedVersion } from './apply.ts';
import { type ApplyContext, type AppliedRows, applyStages } from './apply-stage.ts';
import { anyWay, onlyByIndex } from './by-index.ts';
import { decodeShapes, selectShapes } from './captured.ts';
import { type ContestedRow, contestedRows, decodeContested, type LocalChanges } from './contest.ts';
import { nextSeq, type SegmentNumber, segmentNumbers } from './delta.ts';
import { selectLaterTruncations } from './changes.ts';
import { decodeDefinitions, selectDefinitions } from './fingerprint.ts';
import type { HeldRows } from './held-rows.ts';
import { readInterleaved } from './interleave.ts';
import { fillStageAtOnce } from './load.ts';
import { prepareLocking, setIfAllowed } from './lock-settings.ts';
import { movePosition, type PositionMove, type Snapshot } from './position.ts';
import { tableAltered } from './reader.ts';
import { isFurther } from './sequence-order.ts';
import { advanceSequence, lockDefinitions, readSequences, type SequenceValue } from './sequences.ts';
import { countOfMerged, keepStates, mergeRows } from './merge.ts';
import type { StagePlan } from './stage.ts';
import { emptyStage, ensureStages, noteStaged } from './stage-table.ts';
import type { Table } from './table.ts';

export interface WriterOptions {
  readonly schema: string;
  /** Applications write this database too. */
  readonly hasWriters: boolean;
}

/** A table that a round has written, as its catalogue had it. */
export interface WrittenTable {
  readonly id: RelationId;
  readonly table: Table;
  /** The shape of its deltas; null where nothing captures it. */
  readonly shape: number | null;
}

/** What is done for a table that was copied. */
export interface Care {
  readonly analyze: boolean;
  readonly vacuum: boolean;
  readonly reindex: boolean;
}

export interface TendedTable {
  readonly table: Table;
  readonly care: Care;
}

/** From the fence on a worker that dies must not hold it, and the locks, for longer than this. */
const idleInTransactionTimeoutMs = 60_000;
const contestedPageSize = 500;

const currentSegment = (schema: string): Request<SegmentNumber> => ({
  statements: [sql`select last_value & 3 as segment from ${sql.id(schema, 'control')}`],
  read: ([answer]) => segmentNumbers[Number(answer?.rows[0]?.['segment'])] ?? 0,
});

const currentSnapshot: Request<Snapshot> = {
  statements: [sql`select pg_catalog.pg_current_snapshot()::text as snapshot`],
  read: ([answer]) => answer?.rows[0]?.['snapshot'] ?? '',
};

const passOver = (error: unknown): void => {
  if (!isReplicationError(error)) throw error;
};

export class PostgresWriter {
  readonly #session: Session;
  readonly #schema: string;
  readonly #hasWriters: boolean;
  #segment: SegmentNumber = 0;

  constructor(session: Session, { schema, hasWriters }: WriterOptions) {
    this.#session = session;
    this.#schema = schema;
    this.#hasWriters = hasWriters;
  }

  /** Applications write this database too. */
  get hasWriters(): boolean {
    return this.#hasWriters;
  }

  get session(): Session {
    return this.#session;
  }

  /** The delta segment that was current here when the rows were locked. */
  get segment(): SegmentNumber {
    return this.#segment;
  }

  /** Begins the transaction, with capture told that what follows is not an application's. */
  async begin(): Promise<void> {
    await prepareLocking(this.#session);
    if (!this.#session.memory.has('writer')) await this.#prepareSession();
    this.#session.beginWithNext(sql`begin isolation level read committed read write`);
  }

  /** Makes the stages that are not there yet; `fillStage` would make them one by one. */
  prepareStages(plans: readonly StagePlan[]): Promise<void> {
    return ensureStages(this.#session, plans);
  }

  /** True when the table has no rows now. */
  async isEmpty(plan: StagePlan): Promise<boolean> {
    const { schema, name } = plan.table.relation;
    const [row] = await this.#session.query(
      sql`select not exists (select from ${sql.id(schema, name)}) as is_empty`,
    );
    return row?.['is_empty'] === 't';
  }

  /** After a whole table was staged: the rows that the source does not have are staged as gone. @returns how many they are */
  async stageAbsentRows(plan: StagePlan, version: StagedVersion | null): Promise<number> {
    const [count = 0] = await this.#session.counts(stageAbsentRows(plan, version));
    noteStaged(this.#session, plan, count);
    return count;
  }

  /** Sends rows that were held to their stages, which are there. Nobody need wait for it before something else is asked. */
  async fill({ plan, rows }: HeldRows): Promise<void> {
    await fillStageAtOnce(this.#session, plan, rows);
  }

  /**
   * Moves the positions: the fence. Waits for another worker at the same step. Then locks the rows that will change, where
   * applications could change them too.
   * @returns from when on the rows are ours
   * @throws ReplicationError `fenced`
   */
  async enter(sync: SyncId, moves: readonly PositionMove[], plans: readonly StagePlan[]): Promise<Snapshot> {
    const locks = this.#hasWriters ? plans.flatMap(lockRows) : [];
    try {
      const [, , , , segment, since] = await this.#session.ask(
        say(
          sql`set local idle_in_transaction_session_timeout = ${sql.literal(idleInTransactionTimeoutMs)}`,
          onlyByIndex,
        ),
        all(moves.map((move) => this.#step(sync, move))),
        say(anyWay),
        say(...locks),
        currentSegment(this.#schema),
        currentSnapshot,
      );
      this.#segment = segment;
      return since;
    } catch (error) {
      throw isReplicationError(error, 'unique_conflict') ? this.#fenced(error) : error;
    }
  }

  /**
   * Moves positions once more in the same transaction.
   * @throws ReplicationError `fenced`
   */
  async move(sync: SyncId, moves: readonly PositionMove[]): Promise<void> {
    await this.#session.ask(say(onlyByIndex), all(moves.map((move) => this.#step(sync, move))), say(anyWay));
  }

  #step(sync: SyncId, move: PositionMove): Request<void> {
    return {
      statements: movePosition(this.#schema, sync, move).map((statement) => statement.planned()),
      read: ([inserted]) => {
        if (inserted?.count !== 1) throw this.#fenced();
      },
    };
  }

  #fenced(cause?: ReplicationError): ReplicationError {
    const { label } = this.#session;
    return new ReplicationError('fenced', {
      message: `${label}: another worker has moved the position in the meantime, or the database was set back.`,
      facts: { database: label },
      ...(cause === undefined ? {} : { cause }),
    });
  }

  /** Places among the deltas of this database, for notes that are written later. */
  async drawSeqs(count: number): Promise<string[]> {
    if (count === 0) return [];
    const rows = await this.#session.query(
      sql`select ${nextSeq(this.#schema)} as seq from pg_catalog.generate_series(1, ${count}::integer)`,
    );
    return rows.map(({ seq }) => seq ?? '');
  }

  /** The contested rows, a page at a time. */
  async *contested(
    plan: StagePlan,
    options: { readonly local: LocalChanges | null; readonly isSentByMany: boolean },
  ): AsyncGenerator<ContestedRow[]> {
    const cursor = sql.id('contested');
    const fetch = sql`fetch ${sql.verbatim(String(contestedPageSize))} from ${cursor}`;
    const results = await this.#session.script(
      sql`declare ${cursor} no scroll cursor for ${contestedRows(plan, { ...options, schema: this.#schema })}`,
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
   * Brings the sequences forward to the values wanted; those that are there already stay. One that is interleaved here is
   * left alone, whatever the sync says: the daemon may not know yet that a command has interleaved it. The lock makes
   * sure that this does not happen between the look and the setting.
   */
  async advanceSequences(wanted: readonly SequenceValue[]): Promise<number> {
    const behind = await this.#sequencesBehind(wanted);
    if (behind.length === 0) return 0;
    await this.#session.script(lockDefinitions(behind.map(({ own }) => own.relation)));
    const interleaved = await readInterleaved(this.#session, this.#schema);
    const kept = new Set([...interleaved.values()].map(({ relation }) => formatRelation(relation)));
    const free = wanted.filter(({ relation }) => !kept.has(formatRelation(relation)));
    const steps = (await this.#sequencesBehind(free)).map(({ own, goal }) => advanceSequence(own, goal));
    if (steps.length > 0) await this.#session.script(...steps);
    return steps.length;
  }

  async #sequencesBehind(
    wanted: readonly SequenceValue[],
  ): Promise<{ readonly own: SequenceValue; readonly goal: SequenceValue }[]> {
    const values = await readSequences(
      this.#session,
      wanted.map(({ relation }) => relation),
    );
    return values
      .map((own, index) => ({ own, goal: wanted[index] as SequenceValue }))
      .filter(({ own, goal }) => isFurther(goal, own));
  }

  /** Writes what is staged of these tables, and makes sure of `unaltered`. */
  apply(stages: readonly Omit<ApplyContext, 'session'>[], unaltered: Request<void>): Promise<AppliedRows[]> {
    const session = this.#session;
    return applyStages(
      session,
      stages.map((stage) => ({ ...stage, session })),
      unaltered,
    );
  }

  /** After all rows are applied: keeps what they are merged by, and merges those that contended, of each key one after the other. */
  async merge(plans: readonly StagePlan[]): Promise<void> {
    const schema = this.#schema;
    for (const plan of plans) {
      if (plan.merge === null) continue;
      await this.#session.script(...keepStates(plan, schema));
      const [row] = await this.#session.query(countOfMerged(plan));
      for (let turn = 1; turn <= Number(row?.['most'] ?? 0); turn += 1)
        await this.#session.script(...mergeRows(plan, { schema, merge: plan.merge, turn }));
    }
  }

  /**
   * The tables and the types inside them are still what the rows were staged for, and captured as it was known when it was
   * decided what to note; and none was emptied after its changes were read, for a truncation waits for no lock of rows. Asked after
   * the rows are written: from our first write on nobody makes a trigger or truncates.
   * @param read of a database with changes of its own: the sync, and the snapshot in which they were read; else null
   * @throws ReplicationError `table_altered`
   */
  unaltered(
    tables: readonly WrittenTable[],
    read: { readonly sync: SyncId; readonly snapshot: Snapshot } | null,
  ): Request<void> {
    const truncations = read === null ? [] : [selectLaterTruncations(this.#schema, read).planned()];
    return {
      statements: [
        onlyByIndex,
        selectDefinitions(tables.map(({ table }) => table)).planned(),
        selectShapes(this.#schema).planned(),
        ...truncations,
        anyWay,
      ],
      read: ([, definitions, captured, ...others]) => {
        const now = decodeDefinitions(definitions?.rows ?? []);
        const shapes = decodeShapes(captured?.rows ?? []);
        const emptied = truncations.length === 0 ? [] : (others[0]?.rows ?? []);
        const truncated = new Set(emptied.map(({ tbl }) => Number(tbl)));
        const altered = tables.find(
          ({ id, table, shape }) =>
            now.get(table.oid) !== table.fingerprint ||
            (shapes.get(id) ?? null) !== shape ||
            truncated.has(id),
        );
        if (altered !== undefined) throw tableAltered(altered.table);
      },
    };
  }

  /** @param staged the stages that the transaction has used */
  async commit(staged: readonly StagePlan[]): Promise<void> {
    await this.#session.script(...staged.map((plan) => emptyStage(this.#session, plan)), sql`commit`);
  }

  /**
   * After the commit of a copy. Nothing depends on it. So what stands in its way, a lock or a right that the role does not have, does not
   * matter.
   */
  async tend(tables: readonly TendedTable[]): Promise<void> {
    for (const { table, care } of tables) {
      const name = sql.id(table.relation.schema, table.relation.name);
      const wanted = [
        ...(care.vacuum ? [sql`vacuum ${name}`] : []),
        ...(care.reindex ? [sql`reindex table ${name}`] : []),
        ...(care.analyze ? [sql`analyze ${name}`] : []),
      ];
      for (const statement of wanted) await this.#session.query(statement).catch(passOver);
    }
  }

  async abandon(): Promise<void> {
    if (this.#session.isUsable) await this.#session.script(sql`rollback`);
  }

  #standby(): ReplicationError {
    const { label } = this.#session;
    return new ReplicationError('server_unsupported', {
      message: `${label} is in recovery: a standby cannot be written.`,
      facts: { database: label },
    });
  }

  async #prepareSession(): Promise<void> {
    const [found] = await this.#session.script(
      sql`select pg_catalog.pg_is_in_recovery() as is_in_recovery`,
      sql`select pg_catalog.set_config(${`${this.#schema}.apply`}, 'on', false)`,
    );
    // Once for each connection: a primary becomes a standby only by a restart.
    if (found?.[0]?.['is_in_recovery'] === 't') throw this.#standby();
    // Where the role may not, validate has made sure that nothing would fire.
    await setIfAllowed(this.#session, sql`set session session_replication_role = replica`);
    this.#session.memory.set('writer', true);
  }
}
