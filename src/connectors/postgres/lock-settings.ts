/**
 * How sessions of rounds wait for locks, whether they read or write. They last as long as the session, which is used again.
 *
 * When a round and an application wait for each other, it is the round that gives way. The server ends whoever looks for the
 * deadlock first, `deadlock_timeout` after it began to wait. A round that began first has given up by then. One that began last, when
 * the application had waited for a while, has to look at once; to say so takes a right that it may not have.
 *
 * A session that reads has locks that migrations wait for, and others behind them. So it does not wait for long either.
 */
import { isReplicationError } from '../../model/errors.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';

/** How long a round waits for a lock at most. */
const lockTimeoutMaxMs = 400;
const deadlockTimeoutMs = 10;

/** Once for each session. */
export const prepareLocking = async (session: Session): Promise<void> => {
  if (session.memory.has('locking')) return;
  const [row] = await session.query(
    sql`select setting as ms from pg_catalog.pg_settings where name = 'deadlock_timeout'`,
  );
  const lockTimeoutMs = Math.max(1, Math.min(lockTimeoutMaxMs, Math.floor(Number(row?.['ms']) / 2)));
  await session.script(sql`set session lock_timeout = ${sql.literal(lockTimeoutMs)}`);
  await setIfAllowed(session, sql`set session deadlock_timeout = ${sql.literal(deadlockTimeoutMs)}`);
  session.memory.set('locking', true);
};

/** Makes a setting that the role may not be allowed to make. */
export const setIfAllowed = async (session: Session, statement: Sql): Promise<void> => {
  try {
    await session.script(statement);
  } catch (error) {
    if (!isReplicationError(error, 'privilege_missing')) throw error;
  }
};
