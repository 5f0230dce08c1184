/** Altering what applications use at the same time. */
import { setTimeout as wait } from 'node:timers/promises';
import { isReplicationError } from '../../model/errors.ts';
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';

const lockTimeoutMs = 500;
const attemptsMax = 60;

/**
 * In a transaction on each of the sessions that gives way: applications that queue behind it wait half a second at
 * most, for each of the sessions. All are committed after the work is done on all.
 * @throws ReplicationError `given_way` when somebody was in the way for a minute
 */
export const whenNotBusy = async (
  sessions: readonly Session[],
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      for (const session of sessions)
        await session.script(sql`begin`, sql`set local lock_timeout = ${lockTimeoutMs}`);
      await work();
      for (const session of sessions) await session.script(sql`commit`);
      return;
    } catch (error) {
      for (const session of sessions) await session.script(sql`rollback`).catch(() => undefined);
      if (!isReplicationError(error, 'given_way') || attempt === attemptsMax) throw error;
      await wait(lockTimeoutMs, undefined, { signal });
    }
  }
};
