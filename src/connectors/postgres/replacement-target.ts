/** Writing a database whose tables are replaced whole, in one transaction. */
import { ReplicationError } from '../../model/errors.ts';
import { type DeleteMethod, formatRelation, type RelationId } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { readCaptured } from './captured.ts';
import { isInstalled } from './identity.ts';
import { fillReplaced, type Incoming } from './load.ts';
import { deleteRows, digestOf, lockTables, type ReplacementPlan, truncateTables } from './replacement.ts';
import { readSequences, setSequence, type SequenceValue } from './sequences.ts';
import { relationOf } from './table.ts';
import { PostgresWriter, type TendedTable } from './writer.ts';

/** For longer than other rounds: whoever writes the tables at present is no application, but may be vacuuming them. */
const lockTimeoutMs = 10_000;
/** TRUNCATE keeps readers out, and those that wait behind it. */
const truncateTimeoutMs = 400;

export class ReplacementTarget {
  readonly #session: Session;
  readonly #schema: string;
  readonly #writer: PostgresWriter;
  /** What is captured although it is ours. */
  #passedOn: ReadonlySet<RelationId> = new Set();

  constructor(session: Session, schema: string) {
    this.#session = session;
    this.#schema = schema;
    this.#writer = new PostgresWriter(session, { schema, hasWriters: false });
  }

  /**
   * Begins the transaction. From now on nobody else writes these tables; reading goes on.
   * @param passedOn what is to go on to other syncs that read it here: it is captured as if an application had made it
   * @throws ReplicationError `privilege_missing` where it cannot be captured
   */
  async begin(plans: readonly ReplacementPlan[], passedOn: ReadonlySet<RelationId>): Promise<void> {
    await this.#writer.begin();
    await this.#session.script(
      sql`set local lock_timeout = ${sql.literal(lockTimeoutMs)}`,
      ...(plans.length === 0 ? [] : [lockTables(plans.map(({ target }) => target))]),
    );
    this.#passedOn = await this.#capturedOf(passedOn);
  }

  async #capturedOf(wanted: ReadonlySet<RelationId>): Promise<ReadonlySet<RelationId>> {
    if (wanted.size === 0 || !(await isInstalled(this.#session, this.#schema))) return new Set();
    const captured = [...(await readCaptured(this.#session, this.#schema))].filter(([id]) => wanted.has(id));
    const deaf = captured.find(([, { fires }]) => fires === 'origin');
    if (deaf !== undefined) throw this.#notCaptured(formatRelation(deaf[1].relation));
    return new Set(captured.map(([id]) => id));
  }

  #notCaptured(table: string): ReplicationError {
    const { label } = this.#session;
    return new ReplicationError('privilege_missing', {
      message: `${label}: what is copied to ${table} cannot go on to other syncs (makedelta), because the role does not own the table.`,
      facts: { database: label, table },
    });
  }

  /** See `digestOf`. */
  digest(plan: ReplacementPlan): Promise<string> {
    return digestOf(this.#session, plan, relationOf(plan.target));
  }

  /** @returns how many rows were there, as far as that is counted */
  async empty(plans: readonly ReplacementPlan[], method: DeleteMethod): Promise<number> {
    if (plans.length === 0) return 0;
    if (method !== 'delete') {
      await this.#session.script(
        sql`set local lock_timeout = ${sql.literal(truncateTimeoutMs)}`,
        this.#capture(plans),
        truncateTables(
          plans.map(({ target }) => target),
          method,
        ),
      );
      return 0;
    }
    let rowCount = 0;
    for (const plan of plans) {
      const [, count = 0] = await this.#session.counts(this.#capture([plan]), deleteRows(plan.target));
      rowCount += count;
    }
    return rowCount;
  }

  /** @returns how many rows have come */
  async fill(plan: ReplacementPlan, incoming: Incoming): Promise<number> {
    await this.#session.script(this.#capture([plan]));
    return fillReplaced(this.#session, plan, incoming);
  }

  /** Before rows of these tables are touched. */
  #capture(plans: readonly ReplacementPlan[]): Sql {
    const isPassedOn = plans.some(({ id }) => this.#passedOn.has(id));
    return sql`select pg_catalog.set_config(${`${this.#schema}.apply`}, ${isPassedOn ? 'off' : 'on'}, true)`;
  }

  /** To these values, also where sequences are further: nothing draws from them that a copy would not replace. */
  async setSequences(
    wanted: readonly SequenceValue[],
    names: readonly SequenceValue['relation'][],
  ): Promise<void> {
    const steps = (await readSequences(this.#session, names)).flatMap((own, index) => {
      const goal = wanted[index];
      const isThere = goal?.lastValue === own.lastValue && goal.isCalled === own.isCalled;
      return goal === undefined || isThere ? [] : [setSequence(own.relation, goal)];
    });
    if (steps.length > 0) await this.#session.script(...steps);
  }

  async commit(): Promise<void> {
    await this.#session.script(sql`commit`);
  }

  /** See `PostgresWriter.tend`. */
  tend(tables: readonly TendedTable[]): Promise<void> {
    return this.#writer.tend(tables);
  }
}
