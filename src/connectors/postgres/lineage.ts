/**
 * Whether the database is still the one that a position was read from (engine rule §2).
 *
 * A snapshot only means something within one lineage: a server that was promoted, restored or rolled back uses
 * transaction ids again that a position already calls consumed. So a position carries its lineage, and every connect
 * compares it with what the server says now. `system_identifier` alone tells too little (a promotion keeps it) and too
 * much (`pg_upgrade` changes it although positions stay valid).
 */
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';

/** The lineage that is stored with a position, `xmax` being that of the position itself. */
export interface StoredLineage {
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly databaseOid: string;
  readonly incarnation: bigint;
  readonly xmax: bigint;
}

/** What the server says now. */
export interface Lineage extends StoredLineage {
  /** False in what was made by dump and restore: the row of `identity` was written by another transaction there. */
  readonly isPhysicalCopy: boolean;
  readonly isInRecovery: boolean;
  readonly maxPreparedTransactions: number;
}

/** Reads it on the connection that will be used: another one may lead to another server. */
export const readLineage = async (session: Session, schema: string): Promise<Lineage> => {
  const [row] = await session.query(sql`
    select s.system_identifier, d.oid as database_oid, i.incarnation,
           -- In recovery there is no timeline to write to; such a server is refused anyway.
           case when not pg_is_in_recovery() then substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) else '0' end as timeline,
           i.made_by::text::numeric % 4294967296 = i.xmin::text::numeric as is_physical_copy,
           pg_is_in_recovery() as is_in_recovery,
           pg_snapshot_xmax(pg_current_snapshot()) as xmax,
           current_setting('max_prepared_transactions') as max_prepared_transactions
      from pg_control_system() s, pg_database d, ${sql.id(schema, 'identity')} i
     where d.datname = current_database()`);
  if (row === undefined) throw new Error('the table "identity" has no row');
  return {
    systemIdentifier: row['system_identifier'] as string,
    timeline: Number.parseInt(row['timeline'] as string, 16),
    databaseOid: row['database_oid'] as string,
    incarnation: BigInt(row['incarnation'] as string),
    xmax: BigInt(row['xmax'] as string),
    isPhysicalCopy: row['is_physical_copy'] === 't',
    isInRecovery: row['is_in_recovery'] === 't',
    maxPreparedTransactions: Number(row['max_prepared_transactions']),
  };
};

/**
 * - `same`: the position holds.
 * - `upgraded`: the position holds; the server was taken over by pg_upgrade, and what is stored should follow.
 * - `rewound`: promoted, restored to an earlier time or rolled back. The position says nothing any more.
 * - `cloned`: a copy of the database beside the original. Capture must be removed from it.
 * - `restored`: made by dump and restore. Its transaction ids are its own.
 * - `standby`: in recovery. Its snapshots do not list what is in progress, so it cannot be a source.
 */
export type LineageVerdict = 'same' | 'upgraded' | 'rewound' | 'cloned' | 'restored' | 'standby';

export const judgeLineage = (stored: StoredLineage, seen: Lineage): LineageVerdict => {
  if (seen.isInRecovery) return 'standby';
  if (!seen.isPhysicalCopy) return 'restored';
  const isRewound = seen.xmax < stored.xmax || seen.incarnation < stored.incarnation;
  // pg_upgrade makes a new cluster, with a timeline of its own, and up to version 14 with new database oids.
  if (seen.systemIdentifier !== stored.systemIdentifier) return isRewound ? 'rewound' : 'upgraded';
  if (seen.databaseOid !== stored.databaseOid) return 'cloned';
  return isRewound || seen.timeline !== stored.timeline ? 'rewound' : 'same';
};
