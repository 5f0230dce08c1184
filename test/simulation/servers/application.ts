/** What applications do on a database, statement by statement. */
import { isReplicationError } from '../../../src/model/errors.ts';
import type { Session } from '../../../src/pg/session.ts';
import { sql } from '../../../src/pg/sql.ts';
import type { TablePlan } from './tables.ts';
import type { Image } from './witness.ts';

/** Statements of an application: one that fails takes its transaction with it, or goes back to the savepoint. */
export const writeStep = async (session: Session, statements: readonly string[]): Promise<string> => {
  const results: string[] = [];
  let hasSavepoint = false;
  for (const statement of statements) {
    // What is left of a transaction that has failed is passed over.
    if (!session.isInTransaction && !/^(begin|commit prepared|rollback prepared)\b/.test(statement)) continue;
    try {
      await session.script(sql.verbatim(statement));
      if (statement === 'savepoint s') hasSavepoint = true;
      if (statement === 'release s') hasSavepoint = false;
    } catch (error) {
      results.push(isReplicationError(error) ? error.code : errorText(error));
      if (session.isInTransaction) await session.script(hasSavepoint ? sql`rollback to s` : sql`rollback`);
    }
  }
  return results.length === 0 ? '' : `failed: ${results.join(', ')}`;
};

/** A statement of an administrator, in a transaction of its own. */
export const rewrite = async (session: Session, statement: string): Promise<string> => {
  try {
    await session.script(sql.verbatim(statement));
    return '';
  } catch (error) {
    return `failed: ${isReplicationError(error) ? error.code : errorText(error)}`;
  }
};

/** The row that the versions are of is written once more, or made. */
export const decideFor = ({ name, keyColumns }: TablePlan, versions: string): string => {
  const parsed = JSON.parse(versions) as { readonly row: Image | null }[];
  const image = parsed.find(({ row }) => row !== null)?.row;
  const columns = keyColumns.join(', ');
  const key = keyColumns.map((column) => sql.literal(image?.[column] ?? null).inlined()).join(', ');
  return `insert into ${name} (${columns}, note) values (${key}, 'decided') on conflict (${columns}) do update set note = 'decided'`;
};

export const errorText = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? '') : String(error);
