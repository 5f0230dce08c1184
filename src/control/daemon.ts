/**
 * Table `daemon`: the daemon that works on this control store. There is at most one.
 *
 * What makes it the one is a session lock on the control database, held by its control session; the row says who
 * holds it. When the session breaks, the next heartbeat takes the lock again on the new one.
 */
import { ReplicationError } from '../model/errors.ts';
import { type Sql, sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { advisoryLockClass } from './install.ts';
import { boolean, integer, row, text, timestamp } from './row.ts';

/** A daemon that has not been heard of for longer is taken for dead; it must call `heartbeat` much more often. */
const heartbeatLifeMs = 15_000;

export interface NewDaemon {
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  /** Where its log goes: a path, `stderr` or `stdout`. */
  readonly logDestination: string;
}

const daemonRow = row({
  id: text,
  host: text,
  pid: integer,
  version: text,
  logDestination: text,
  startedAt: timestamp,
  heartbeatAt: timestamp,
  isStopRequested: boolean,
});

export type DaemonFacts = ReturnType<typeof daemonRow>;

const columns = sql`
  id, host, pid, version, log_destination as "logDestination", started_at as "startedAt",
  heartbeat_at as "heartbeatAt", stop_requested as "isStopRequested"
`;

/** Makes the caller the daemon of this store; its id. @throws ReplicationError `daemon_already_running` */
export const registerDaemon = async (db: Db, added: NewDaemon): Promise<string> => {
  await takeLock(db, null);
  await db.run(sql`delete from daemon`);
  const { id } = await db.one(
    row({ id: text }),
    sql`
      insert into daemon (host, pid, version, log_destination, backend_pid)
      values (${added.host}::text, ${added.pid}::integer, ${added.version}::text, ${added.logDestination}::text, pg_backend_pid())
      returning id
    `,
  );
  return id;
};

/**
 * Says that the daemon lives, and learns whether it shall stop.
 * @throws ReplicationError `daemon_already_running` when another one took its place while its connection was broken
 */
export const heartbeat = async (db: Db, id: string): Promise<{ readonly isStopRequested: boolean }> => {
  await takeLock(db, id);
  const beat = await db.maybeOne(
    row({ isStopRequested: boolean }),
    sql`
      update daemon
         set heartbeat_at = clock_timestamp(), backend_pid = pg_backend_pid()
       where id = ${id}::uuid
      returning stop_requested as "isStopRequested"
    `,
  );
  if (beat === null) throw await alreadyRunning(db);
  return beat;
};

/** The daemon has ended its work. */
export const unregisterDaemon = async (db: Db, id: string): Promise<void> => {
  await db.run(sql`delete from daemon where id = ${id}::uuid`);
  await db.run(sql`select pg_advisory_unlock(${lockKey})`);
  db.memory.delete(lockMemory);
};

/** The daemon ends by itself soon after; `findDaemon` tells when. */
export const requestDaemonStop = (db: Db): Promise<void> =>
  db.run(sql`update daemon set stop_requested = true`);

/** The daemon that is at work; null when there is none, or none that lives. */
export const findDaemon = (db: Db): Promise<DaemonFacts | null> =>
  db.maybeOne(
    daemonRow,
    sql`
      select ${columns}
        from daemon
       where heartbeat_at > clock_timestamp() - ${heartbeatLife}
         and backend_pid = (${lockHolder})
    `,
  );

const heartbeatLife = sql`${heartbeatLifeMs}::integer * interval '1 ms'`;

/** The table's own number makes the key unique in the database, whatever schemas of Tahr there are in it. */
const lockKey = sql`${advisoryLockClass}::integer, 'daemon'::regclass::oid::integer`;
const lockMemory = 'daemon lock';

/** The backend that holds it: of every role, and exact, as a process number in a row is not. */
const lockHolder: Sql = sql`
  select l.pid
    from pg_locks l
   where l.locktype = 'advisory'
     and l.database = (select d.oid from pg_database d where d.datname = current_database())
     and l.classid = ${advisoryLockClass}::bigint::oid
     and l.objid = 'daemon'::regclass::oid
     and l.objsubid = 2
     and l.granted
`;

/**
 * Taken once for each session: session locks count, and a second one would have to be given back as well.
 *
 * A connection that was cut without a word lives on at the server, for hours if a host went down, and holds the lock.
 * It is ended when it belongs to this daemon itself, or to one that has not been heard of for too long.
 */
const takeLock = async (db: Db, ownId: string | null): Promise<void> => {
  if (db.memory.has(lockMemory)) return;
  const { isHeld } = await db.one(
    row({ isHeld: boolean }),
    sql`select pg_try_advisory_lock(${lockKey}) as "isHeld"`,
  );
  if (!isHeld) {
    if (!(await endDeadHolder(db, ownId))) throw await alreadyRunning(db);
    await db.run(sql`select pg_advisory_lock(${lockKey})`);
  }
  db.memory.set(lockMemory, true);
};

/** False: the holder lives, or is not known. */
const endDeadHolder = async (db: Db, ownId: string | null): Promise<boolean> => {
  const ended = await db.maybeOne(
    row({ isEnded: boolean }),
    sql`
      select pg_terminate_backend(backend_pid) as "isEnded"
        from daemon
       where backend_pid = (${lockHolder})
         and (id = ${ownId}::uuid or heartbeat_at < clock_timestamp() - ${heartbeatLife})
    `,
  );
  return ended !== null;
};

const alreadyRunning = async (db: Db): Promise<ReplicationError> => {
  const other = await db.maybeOne(
    row({ host: text, pid: integer }),
    sql`select host, pid from daemon limit 1`,
  );
  return new ReplicationError('daemon_already_running', {
    message:
      other === null
        ? 'Another daemon has just started on this control database, or has run in the meantime.'
        : `A daemon runs on this control database already: process ${other.pid} on ${other.host}.`,
    facts: other === null ? {} : { host: other.host, pid: other.pid },
  });
};
