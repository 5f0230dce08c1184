/**
 * What the modules of this room run their queries on: a session whose search path is the control schema, inside a
 * transaction of `ControlStore`. A failure that a constraint reports is given its name here.
 */
import assert from 'node:assert/strict';
import type { Session } from '../pg/session.ts';
import type { Sql } from '../pg/sql.ts';
import { nameViolation } from './constraint.ts';
import type { RowShape } from './row.ts';

export class Db {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** What is known about the connection below, as long as it lives. */
  get memory(): Map<string, unknown> {
    return this.#session.memory;
  }

  /** All rows. */
  async many<T>(shape: RowShape<T>, statement: Sql): Promise<T[]> {
    try {
      const rows = await this.#session.query(statement);
      return rows.map((row) => shape(row));
    } catch (error) {
      throw nameViolation(error);
    }
  }

  /** The only row, or null. */
  async maybeOne<T>(shape: RowShape<T>, statement: Sql): Promise<T | null> {
    const rows = await this.many(shape, statement);
    assert(rows.length <= 1, `${rows.length} rows where one was expected`);
    return rows[0] ?? null;
  }

  /** The only row. */
  async one<T>(shape: RowShape<T>, statement: Sql): Promise<T> {
    const found = await this.maybeOne(shape, statement);
    assert(found !== null, 'no row where one was expected');
    return found;
  }

  /** For its effect. */
  async run(statement: Sql): Promise<void> {
    await this.many(() => null, statement);
  }
}
