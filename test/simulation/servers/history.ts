/**
 * The changes that applications have committed, as a graph: what a transaction made of a row, and which change it was made from.
 *
 * A change of a row that is there names the version that it replaces by its token. One that begins where there is no row was made with
 * knowledge of the deletions by which that came about; which ones is not known, so all of the row count that were made before it was
 * committed: to delete what nobody sees yet changes nothing.
 */
import type { Chronicle, Image, Write } from './witness.ts';

export interface Change {
  readonly database: string;
  readonly xid: string;
  readonly at: bigint;
  /** When it was first written, and when it was committed. */
  readonly from: bigint;
  readonly committedAt: bigint;
  readonly table: string;
  readonly key: string;
  readonly before: string | null;
  /** Null: there is no row then. */
  readonly after: string | null;
  readonly image: Image | null;
}

export interface Truncation {
  readonly database: string;
  readonly xid: string;
  readonly at: bigint;
  readonly table: string;
}

/** The changes of one row. */
export interface RowHistory {
  readonly table: string;
  readonly key: string;
  readonly changes: readonly Change[];
}

export class History {
  readonly rows: readonly RowHistory[];
  readonly truncations: readonly Truncation[];
  readonly #rows: ReadonlyMap<string, RowHistory>;
  readonly #byToken: ReadonlyMap<string, Change>;
  readonly #byTransaction: ReadonlyMap<string, Change>;

  constructor(chronicles: readonly Chronicle[]) {
    const changes = chronicles.flatMap(({ database, writes }) => changesOf(database, writes));
    const grouped = Map.groupBy(changes, ({ table, key }) => rowName(table, key));
    this.rows = [...grouped.values()].map((all) => {
      const [{ table, key }] = all as [Change];
      return { table, key, changes: all };
    });
    this.truncations = chronicles.flatMap(({ database, writes }) =>
      writes.flatMap(({ key, xid, at, table }) => (key === null ? [{ database, xid, at, table }] : [])),
    );
    this.#rows = new Map(this.rows.map((row) => [rowName(row.table, row.key), row]));
    this.#byToken = new Map(
      changes.flatMap((change) => (change.after === null ? [] : [[change.after, change]])),
    );
    this.#byTransaction = new Map(
      changes.map((change) => [transactionName(change.database, change.xid, change), change]),
    );
  }

  rowOf(table: string, key: string): RowHistory | undefined {
    return this.#rows.get(rowName(table, key));
  }

  withToken(token: string): Change | undefined {
    return this.#byToken.get(token);
  }

  /** What a transaction made of a row. */
  of(transaction: { readonly database: string; readonly xid: string }, row: RowName): Change | undefined {
    return this.#byTransaction.get(transactionName(transaction.database, transaction.xid, row));
  }

  /** The changes that this one was made from. */
  parentsOf(change: Change): Change[] {
    if (change.before !== null) {
      const parent = this.#byToken.get(change.before);
      return parent === undefined ? [] : [parent];
    }
    const { changes } = this.rowOf(change.table, change.key) as RowHistory;
    return changes.filter(({ after, from }) => after === null && from < change.committedAt);
  }

  /** The change and everything that it was made from, over any number of steps. */
  pastOf(change: Change, known: Set<Change> = new Set()): Set<Change> {
    if (known.has(change)) return known;
    known.add(change);
    for (const parent of this.parentsOf(change)) this.pastOf(parent, known);
    return known;
  }
}

interface RowName {
  readonly table: string;
  readonly key: string;
}

const rowName = (table: string, key: string): string => `${table} ${key}`;

const transactionName = (database: string, xid: string, { table, key }: RowName): string =>
  `${database} ${xid} ${rowName(table, key)}`;

/** All that a transaction did to a row is one change. */
const changesOf = (database: string, writes: readonly Write[]): Change[] => {
  const ofRows = writes.filter((write): write is Write & { readonly key: string } => write.key !== null);
  const grouped = Map.groupBy(ofRows, (write) => transactionName(database, write.xid, write));
  return [...grouped.values()].map((all) => {
    const [first, last] = [all[0], all.at(-1)] as [(typeof all)[number], (typeof all)[number]];
    const { xid, at, table, key, before, committedAt } = first;
    const { after, image } = last;
    return { database, xid, at, table, key, before, after, image, from: first.clock, committedAt };
  });
};
