/**
 * Statements that find their rows by an index whatever the planner believes of the tables. It believes what it knew when it made the plan: of
 * a table that was empty then, and that nobody has analyzed since, that it can be scanned in no time.
 */
import { type Sql, sql } from '../../pg/sql.ts';

/** For what follows in the transaction. */
export const onlyByIndex = sql`set local enable_seqscan = off`;

/** The planner chooses again. */
export const anyWay = sql`set local enable_seqscan to default`;

/** @returns with one more statement at the beginning and one at the end */
export const byIndex = (...statements: readonly Sql[]): Sql[] => [onlyByIndex, ...statements, anyWay];
