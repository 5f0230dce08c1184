/** Whether a server understands a filter. */
import { isReplicationError, type ReplicationError } from '../../model/errors.ts';
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';
import { rowsOf, type Table } from './table.ts';

/** What the server has against the condition; null: nothing. It looks at the statement, and reads no rows. */
export const objectionTo = async (
  session: Session,
  table: Table,
  where: string,
): Promise<ReplicationError | null> => {
  try {
    await session.query(sql`select from ${rowsOf(table, where)} t where false`);
    return null;
  } catch (error) {
    if (isReplicationError(error) && session.isUsable) return error;
    throw error;
  }
};
