/**
 * Table `lease`: which daemon works on a sync, and until when. A sync without a row is free, and so is one whose lease
 * has expired. Every sync has a holder, also one that is paused or inactive: somebody must tell its state and answer
 * its kicks.
 *
 * All times are those of the clock of the control database, so the clocks of the hosts do not matter. A live lease is never
 * taken from its holder: the row itself is what daemons meet on.
 */
import type { SyncId } from '../model/topology.ts';
import { sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { boolean, decimal, nullable, row, textAs } from './row.ts';

declare const brand: unique symbol;

/** A uuid that a daemon makes when it starts. */
export type DaemonId = string & { readonly [brand]: 'DaemonId' };

/** How long a lease holds after it was taken or renewed. A daemon that dies is replaced after that time. */
export const leaseMs = 10_000;

export const leaseLife = sql`${leaseMs}::integer * interval '1 ms'`;

const leaseRow = row({
  syncId: textAs<SyncId>(),
  isAtWork: boolean,
  holder: nullable(textAs<DaemonId>()),
  predecessor: nullable(textAs<DaemonId>()),
  endsInMs: nullable(decimal),
});

/**
 * A sync, with its lease if there is a live one. `predecessor` had it last, did not give it back, and may not know yet that
 * it has ended. `isAtWork`: neither paused nor inactive.
 */
export type LeaseFacts = ReturnType<typeof leaseRow>;

/** Of all syncs, by name. */
export const readLeases = (db: Db): Promise<LeaseFacts[]> =>
  db.many(
    leaseRow,
    sql`
      select s.id as "syncId", s.status = 'active' and not s.is_paused as "isAtWork",
             case when l.left_ms > 0 then l.daemon end as holder,
             case when l.left_ms > 0 then null else l.daemon end as predecessor,
             case when l.left_ms > 0 then l.left_ms end as "endsInMs"
        from sync s
        left join (
          select sync, daemon, extract(epoch from expires_at - clock_timestamp()) * 1000 as left_ms from lease
        ) l on l.sync = s.id
       order by s.name
    `,
  );

/**
 * All leases of the daemon that nobody else has taken, for another term; those of syncs that have been removed go. A lease
 * of anybody that lasts for longer than a term was made before the clock was set back, and is cut to one: its holder
 * counts by a clock of its own, and has stopped by then.
 * @returns the syncs that it holds
 */
export const renewLeases = async (db: Db, daemon: DaemonId): Promise<SyncId[]> => {
  const [rows] = await Promise.all([
    db.many(
      row({ syncId: textAs<SyncId>() }),
      sql`
        update lease
           set expires_at = clock_timestamp() + ${leaseLife}
         where daemon = ${daemon}::uuid
           and exists (select from sync s where s.id = lease.sync)
        returning sync as "syncId"
      `,
    ),
    db.run(sql`
      update lease
         set expires_at = clock_timestamp() + ${leaseLife}
       where expires_at > clock_timestamp() + ${leaseLife}
    `),
    db.run(sql`
      delete from lease
       where (daemon = ${daemon}::uuid or expires_at <= clock_timestamp())
         and not exists (select from sync s where s.id = lease.sync)
    `),
  ]);
  return rows.map(({ syncId }) => syncId);
};

interface Claim {
  readonly daemon: DaemonId;
  readonly syncs: readonly SyncId[];
}

/** Those of the syncs that are free or whose lease has expired. @returns which it got */
export const takeLeases = async (db: Db, { daemon, syncs }: Claim): Promise<SyncId[]> => {
  const rows = await db.many(
    row({ syncId: textAs<SyncId>() }),
    sql`
      insert into lease as known (sync, daemon, expires_at)
      select s, ${daemon}::uuid, clock_timestamp() + ${leaseLife}
        from unnest(${syncs}::uuid[]) s
          on conflict (sync) do update
         set daemon = excluded.daemon, taken_at = clock_timestamp(), expires_at = excluded.expires_at
       where known.expires_at <= clock_timestamp()
      returning sync as "syncId"
    `,
  );
  return rows.map(({ syncId }) => syncId);
};

/** They are free from now on, and the other daemons are told. */
export const releaseLeases = (db: Db, { daemon, syncs }: Claim): Promise<void> =>
  db.run(sql`delete from lease where daemon = ${daemon}::uuid and sync = any(${syncs}::uuid[])`);

/** True also after its time, as long as nobody has taken it. */
export const holdsLease = async (
  db: Db,
  { daemon, sync }: { readonly daemon: DaemonId; readonly sync: SyncId },
): Promise<boolean> => {
  const found = await db.maybeOne(
    row({ isHeld: boolean }),
    sql`select true as "isHeld" from lease where daemon = ${daemon}::uuid and sync = ${sync}::uuid`,
  );
  return found !== null;
};
