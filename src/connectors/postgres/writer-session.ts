/**
 * The settings of a session that writes for a round. They last as long as the session, which is used again.
 *
 * Locks: when a round and an application wait for each other, it is the round that gives way. The server ends whoever looks for the
 * deadlock first, `deadlock_timeout` after it began to wait. A round that began first has given up by then. One that began last, when
 * the application had waited for a while, has to look at once; to say so takes a right that it may not have.
 */
import { isReplicationError } from '../../model/errors.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';

/** How long a round waits for a lock at most. */
const lockTimeoutMaxMs = 400;
const deadlockTimeoutMs = 10;

/** Once for each session. */
export const prepareWriting = async (session: Session, schema: string): Promise<void> => {
  if (session.memory.has('writer')) return;
  const [row] = await session.query(
    sql`select setting as ms from pg_catalog.pg_settings where name = 'deadlock_timeout'`,
  );
  const lockTimeoutMs = Math.max(1, Math.min(lockTimeoutMaxMs, Math.floor(Number(row?.['ms']) / 2)));
  await session.script(
    sql`set session lock_timeout = ${sql.literal(lockTimeoutMs)}`,
    sql`select pg_catalog.set_config(${`${schema}.apply`}, 'on', false)`,
  );
  await setIfAllowed(session, sql`set session deadlock_timeout = ${sql.literal(deadlockTimeoutMs)}`);
  // Where the role may not, validate has made sure that nothing would fire.
  await setIfAllowed(session, sql`set session session_replication_role = replica`);
  session.memory.set('writer', true);
};

const setIfAllowed = async (session: Session, statement: Sql): Promise<void> => {
  try {
    await session.script(statement);
  } catch (error) {
    if (!isReplicationError(error, 'privilege_missing')) throw error;
  }
};
