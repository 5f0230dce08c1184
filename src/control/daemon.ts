/**
 * Table `daemon`: the daemons that work on this control store, on whatever hosts. Which of them works on a sync is in
 * `lease.ts`; a daemon is taken for dead when it has not been heard of for the time that a lease holds, so it dies with its leases.
 */
import { sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { type DaemonId, leaseLife } from './lease.ts';
import { boolean, type EpochMs, instant, integer, row, text, textAs, timestamp } from './row.ts';

export interface DaemonSelf {
  readonly id: DaemonId;
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  /** Where its log goes: a path, `stderr` or `stdout`. */
  readonly logDestination: string;
}

const daemonRow = row({
  id: textAs<DaemonId>(),
  host: text,
  pid: integer,
  version: text,
  logDestination: text,
  startedAt: timestamp,
  heartbeatAt: timestamp,
  isStopRequested: boolean,
});

export type DaemonFacts = ReturnType<typeof daemonRow>;

/** Says that the daemon lives, also for the first time, and learns whether it shall stop. */
export const heartbeat = (db: Db, self: DaemonSelf): Promise<{ readonly isStopRequested: boolean }> =>
  db.one(
    row({ isStopRequested: boolean }),
    sql`
      insert into daemon (id, host, pid, version, log_destination)
      values (${self.id}::uuid, ${self.host}::text, ${self.pid}::integer, ${self.version}::text,
              ${self.logDestination}::text)
          on conflict (id) do update
         set heartbeat_at = clock_timestamp()
      returning stop_requested as "isStopRequested"
    `,
  );

/** The daemon has ended its work; its syncs are free. */
export const unregisterDaemon = async (db: Db, id: DaemonId): Promise<void> => {
  await db.run(sql`delete from lease where daemon = ${id}::uuid`);
  await db.run(sql`delete from daemon where id = ${id}::uuid`);
};

/** They end by themselves soon after; `listDaemons` tells when. One that cannot be reached ends when it is back. */
export const requestDaemonStop = (db: Db, ids: readonly DaemonId[]): Promise<void> =>
  db.run(sql`update daemon set stop_requested = true where id = any(${ids}::uuid[])`);

/**
 * The daemons that live, those that started first at the top. What was said at a time that has yet to come was said before the
 * clock was set back; who lives says so again at once.
 */
export const listDaemons = (db: Db): Promise<DaemonFacts[]> =>
  db.many(
    daemonRow,
    sql`
      select id, host, pid, version, log_destination as "logDestination", started_at as "startedAt",
             heartbeat_at as "heartbeatAt", stop_requested as "isStopRequested"
        from daemon
       where heartbeat_at > clock_timestamp() - ${leaseLife}
         and heartbeat_at <= clock_timestamp()
       order by started_at, id
    `,
  );

/** Forgets those that have not been heard of since then; one that comes back all the same is known again. */
export const forgetDaemons = (db: Db, before: EpochMs): Promise<void> =>
  db.run(sql`delete from daemon where heartbeat_at < ${instant(before)}`);
