/** Server processes of connections that nobody uses any more while the server does not know it: they hold transactions and locks until it notices. */
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

/**
 * Ends all that go by one of these names, of this role and in this database: a role may end its own without any privilege.
 * @returns how many
 */
export const endBackendsNamed = async (session: Session, names: readonly string[]): Promise<number> => {
  const ended = await session.query(sql`
    select pg_terminate_backend(other.pid)
      from pg_stat_activity own
      join pg_stat_activity other using (usesysid, datid)
     where own.pid = pg_backend_pid() and other.application_name = any (${names}::text[])`);
  return ended.length;
};
