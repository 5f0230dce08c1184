/**
 * How the rows of many keys are found. On a source the planner cannot choose: it knows nothing of the deltas, takes them for a few hundred, and
 * so always looks rows up one by one. That is right for few; for many, reading the table once costs less. On the database that is written it
 * knows the stage, and does not know that rows which arrive in the order of the key lie together.
 */
import type { Request } from '../../pg/request.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { relationOf, type Table, type TableKey } from './table.ts';

/** `merge`: in the order of the key, beside its index. `hash`: as the table lies on the disk. Both pass the whole table at most once. */
export type Finding = 'lookups' | 'merge' | 'hash';

/** What the planner believes of a table. */
export interface TableStatistics {
  readonly rowCount: number;
  /** How far rows lie in the order of the key's first column: 1 or -1 entirely, 0 not at all; null: not known. */
  readonly correlation: number | null;
}

/** For fewer changes it is not worth asking a table how large it is, or whether it is empty. */
const manyMin = 10_000;

/** A row that is looked up costs as much as about so many that are passed on the way. */
const passedPerLookup = 4;

/** From here on rows that follow each other in the index mostly lie on the same page. */
const orderlyMin = 0.9;

export const isMany = (deltaCount: number): boolean => deltaCount >= manyMin;

/** For many changes. */
export const chooseFinding = (deltaCount: number, { rowCount, correlation }: TableStatistics): Finding => {
  if (deltaCount * passedPerLookup < rowCount) return 'lookups';
  return correlation !== null && Math.abs(correlation) >= orderlyMin ? 'merge' : 'hash';
};

/** @param key what finds the rows; its first column decides in which order they are read */
export const statisticsOf = (table: Table, key: TableKey): Request<TableStatistics> => ({
  statements: [
    // The planner's own estimate: it counts with the table's size now, whatever the statistics say, and over all partitions.
    sql`explain (format json) select from ${relationOf(table)}`,
    sql`
      select correlation
        from pg_catalog.pg_stats
       where schemaname = ${table.relation.schema}::name and tablename = ${table.relation.name}::name
         and attname = ${key.columns[0]?.name ?? ''}::name
       order by inherited desc
       limit 1`,
  ],
  read: ([plan, statistics]) => {
    const correlation = statistics?.rows[0]?.['correlation'] ?? null;
    return {
      rowCount: estimateOf(plan?.rows[0]?.['QUERY PLAN'] ?? ''),
      correlation: correlation === null ? null : Number(correlation),
    };
  },
});

/** Of the outermost node of a plan as JSON (manual, EXPLAIN). */
const estimateOf = (plan: string): number => {
  const [explained] = JSON.parse(plan) as [{ readonly Plan: { readonly 'Plan Rows': number } }];
  return explained.Plan['Plan Rows'];
};

/** What is said to the planner before some statements, and what takes it back after them. */
export interface Guidance {
  readonly before: readonly Sql[];
  readonly after: readonly Sql[];
}

const without = (...settings: readonly string[]): Guidance => ({
  before: settings.map((name) => sql`set local ${sql.id(name)} = off`),
  after: settings.map((name) => sql`set local ${sql.id(name)} to default`),
});

/** What makes the planner find rows in that way. */
export const guidanceFor: Readonly<Record<Finding, Guidance>> = {
  lookups: without(),
  merge: without('enable_nestloop', 'enable_hashjoin'),
  hash: without('enable_nestloop'),
};

/** The statement, in one message with the guidance. */
export const finding = (way: Finding, statement: Sql): Sql => {
  const { before, after } = guidanceFor[way];
  return sql.join([...before, statement, ...after], '; ');
};
