/**
 * Where deltas live: a shape is a tuple of key column types, and has four segments `d_<shape>_<0..3>` that hold the
 * deltas of all tables with such a key (engine rule R7). Readers read all four; which one is written to is
 * told by the control word. Shape 0 has no key: its rows say that a whole table was truncated.
 *
 * A delta is `(tbl, k1 … kn, seq, xid, at, relay)`. For a change made on this database `xid` and `at` are its transaction and
 * that transaction's start, and `relay` is null. For a version that a round has brought here `xid` is the round's own
 * transaction, `at` is when the version was made, and `relay` says by which sync it came and whose it is (`sql/installation.sql`).
 *
 * `seq` is drawn when the delta is written. Two changes of one row follow each other, because the second writer waits for the
 * first to end; so of one row's deltas the one with the highest `seq` tells what the row is. Transaction ids do not: they are
 * given out when a transaction writes its first row, whichever that is.
 */
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { deltaColumn } from './table.ts';

export const segmentNumbers = [0, 1, 2, 3] as const;
export type SegmentNumber = (typeof segmentNumbers)[number];

/** The shape of truncations. */
export const truncationShape = 0;

export const segmentTable = (schema: string, shape: number, segment: SegmentNumber): Sql =>
  sql.id(schema, `d_${shape}_${segment}`);

export const segmentTables = (
  schema: string,
  shape: number,
  segments: readonly SegmentNumber[] = segmentNumbers,
): readonly Sql[] => segments.map((segment) => segmentTable(schema, shape, segment));

/** The next number in the order of the deltas. */
export const nextSeq = (schema: string): Sql =>
  sql`pg_catalog.nextval(${sql.literal(sql.id(schema, 'seq').inlined())}::pg_catalog.regclass)`;

/** `k1, k2, …` */
export const deltaColumns = (count: number): readonly Sql[] =>
  Array.from({ length: count }, (_, index) => deltaColumn(index));

/**
 * The number of the shape with these types, which is made if it is new. Run inside a transaction: it holds a lock that
 * keeps others from making the same shape.
 */
export const ensureShape = async (
  session: Session,
  schema: string,
  types: readonly string[],
): Promise<number> => {
  const shapes = sql.id(schema, 'shape');
  const [, found] = await session.script(
    sql`lock table ${shapes} in share row exclusive mode`,
    sql`select id from ${shapes} where types = ${types}::text[]`,
  );
  const known = found?.[0]?.['id'];
  if (known !== null && known !== undefined) return Number(known);
  const [added] = await session.query(sql`
    insert into ${shapes} (id, types)
    select coalesce(max(id) + 1, ${truncationShape}::int), ${types}::text[] from ${shapes}
    returning id`);
  const shape = Number(added?.['id']);
  await session.script(...createShape(schema, shape, types));
  return shape;
};

const createShape = (schema: string, shape: number, types: readonly string[]): Sql[] => {
  const names = deltaColumns(types.length);
  const keys = names.map((name, index) => sql`${name} ${sql.verbatim(types[index] ?? '')}, `);
  // Rows are only inserted and truncated: there is nothing to vacuum.
  return segmentTables(schema, shape).flatMap((table) => [
    sql`create table ${table} (
          tbl integer not null, ${sql.join(keys, '')} seq bigint not null,
          xid xid8 not null default pg_current_xact_id(), at timestamptz not null default now(),
          relay ${sql.id(schema, 'relay')}
        ) with (autovacuum_enabled = off, fillfactor = 100)`,
    // The table in second place: a round that changes a hundred tables reads the deltas of each, and passes the others' in the index.
    sql`create index on ${table} (xid, tbl)`,
  ]);
};
