/** Server processes of connections that we have given up and the server has not: it holds their transactions and locks until it notices. */
import type { Session } from './session.ts';
import { sql } from './sql.ts';

/**
 * Ends those of them that are ours: of this role, in this database, under the name that the session itself goes by. A process
 * number is given out again, so nobody else may be meant by it.
 */
export const endBackends = async (session: Session, pids: readonly number[]): Promise<void> => {
  if (pids.length === 0) return;
  await session.query(sql`
    select pg_terminate_backend(other.pid)
      from pg_stat_activity own
      join pg_stat_activity other using (usesysid, datid, application_name)
     where own.pid = pg_backend_pid() and other.pid <> own.pid and other.pid = any (${pids}::integer[])`);
};
