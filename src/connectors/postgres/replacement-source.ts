/** Reading a database that is copied whole: one snapshot for all of its tables. It may be a standby. */
import { ReplicationError } from '../../model/errors.ts';
import type { RelationName } from '../../model/topology.ts';
import type { RowsOut } from '../../pg/pipeline.ts';
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';
import { digestOf, type ReplacementPlan, selectAll } from './replacement.ts';
import { readSequences, type SequenceValue } from './sequences.ts';
import { rowsOf } from './table.ts';

export class ReplacementSource {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  get label(): string {
    return this.#session.label;
  }

  /** Takes the snapshot. */
  async open(): Promise<void> {
    await this.#session.script(
      sql`begin isolation level repeatable read read only`,
      sql`select pg_catalog.pg_current_snapshot()`,
    );
  }

  /** See `digestOf`. */
  digest(plan: ReplacementPlan): Promise<string> {
    return digestOf(this.#session, plan, rowsOf(plan.source, plan.where));
  }

  rows(plan: ReplacementPlan): RowsOut {
    return this.#session.copyOut(selectAll(plan));
  }

  /** They are outside of every snapshot. */
  sequences(names: readonly RelationName[]): Promise<SequenceValue[]> {
    return readSequences(this.#session, names);
  }

  /**
   * Ends the reading. A table that was rewritten since the snapshot was taken, by TRUNCATE and most ALTER TABLE, has looked empty. What has been
   * read is what is locked, also through views.
   * @throws ReplicationError `table_altered`
   */
  async finish(): Promise<void> {
    const [rewritten] = await this.#session.query(sql`
      select c.oid::pg_catalog.regclass::pg_catalog.text as relation
        from pg_catalog.pg_locks l
        join pg_catalog.pg_class c on c.oid = l.relation
       where l.pid = pg_catalog.pg_backend_pid() and l.locktype = 'relation'
         and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
         and c.relfilenode <> 0 and c.relfilenode <> coalesce(pg_catalog.pg_relation_filenode(c.oid), 0)`);
    await this.#session.script(sql`commit`);
    if (rewritten === undefined) return;
    const table = rewritten['relation'] ?? '';
    throw new ReplicationError('table_altered', {
      message: `Table ${table} was altered or rewritten on ${this.label} while it was copied; it is read again as it is now.`,
      facts: { database: this.label, table },
    });
  }
}
