/**
 * Whether the database is still the one that a position was read from (engine rule §2).
 *
 * A snapshot only means something within one lineage: a server that lost the end of its log uses transaction ids again
 * that a position already calls consumed. So a position carries its lineage, and every connect compares it with what
 * the server says now. `system_identifier` alone tells too little (a promotion keeps it) and too much (`pg_upgrade`
 * changes it although positions stay valid).
 *
 * What a position saw ended, committed or not, left its record in the log before `lsn`. Where the log still reaches that, the
 * server knows those transactions and gives their ids to nobody else; so a promotion that missed nothing is no loss.
 */
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';
import { type History, type Lsn, parseHistory, parseLsn, reaches } from './timeline.ts';

/** The lineage that is stored with a position, `xmax` being that of the position itself. */
export interface StoredLineage {
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly databaseOid: string;
  readonly incarnation: bigint;
  readonly xmax: bigint;
  /** Everything that the position tells of was in the log before this, and was flushed. */
  readonly lsn: Lsn;
  /** When the server process was started. A server is set back only while it is down. */
  readonly startedAt: string;
}

/** What the server says now. */
export interface Lineage extends StoredLineage {
  /** Where the log ended when the server process was started, or later: never before. */
  readonly begunAt: Lsn;
  /** Null: the role may not read it. */
  readonly history: History | null;
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
           case when not pg_is_in_recovery() then pg_current_wal_insert_lsn() else '0/0' end as lsn,
           -- After a crash it is where recovery ended. Else it is the last checkpoint, the first of which ended the shutdown.
           coalesce(pg_last_wal_replay_lsn(), c.redo_lsn) as begun_at,
           pg_postmaster_start_time() as started_at,
           i.made_by::text::numeric % 4294967296 = i.xmin::text::numeric as is_physical_copy,
           pg_is_in_recovery() as is_in_recovery,
           pg_snapshot_xmax(pg_current_snapshot()) as xmax,
           current_setting('max_prepared_transactions') as max_prepared_transactions
      from pg_control_system() s, pg_control_checkpoint() c, pg_database d, ${sql.id(schema, 'identity')} i
     where d.datname = current_database()`);
  if (row === undefined) throw new Error('the table "identity" has no row');
  const timeline = Number.parseInt(row['timeline'] as string, 16);
  return {
    systemIdentifier: row['system_identifier'] as string,
    timeline,
    databaseOid: row['database_oid'] as string,
    incarnation: BigInt(row['incarnation'] as string),
    xmax: BigInt(row['xmax'] as string),
    lsn: row['lsn'] as Lsn,
    startedAt: row['started_at'] as string,
    begunAt: row['begun_at'] as Lsn,
    history: timeline > 1 ? await readHistory(session, schema, timeline) : new Map(),
    isPhysicalCopy: row['is_physical_copy'] === 't',
    isInRecovery: row['is_in_recovery'] === 't',
    maxPreparedTransactions: Number(row['max_prepared_transactions']),
  };
};

/** The server keeps it in a file, which an ordinary role can only read through a function that was lent the right to. */
const readHistory = async (session: Session, schema: string, timeline: number): Promise<History | null> => {
  const read = `${schema}.timeline_history(integer)`;
  const [allowed] = await session.query(sql`
    select has_function_privilege(case when p.prosecdef then p.proowner else r.oid end,
                                  'pg_read_file(text,bigint,bigint,boolean)', 'execute') as may_read
      from pg_proc p, pg_roles r
     where p.oid = to_regprocedure(${read}) and r.rolname = current_user`);
  if (allowed?.['may_read'] !== 't') return null;
  const [row] = await session.query(
    sql`select ${sql.id(schema, 'timeline_history')}(${timeline}::integer) as history`,
  );
  return parseHistory(row?.['history'] ?? '');
};

/**
 * - `same`: the position holds.
 * - `promoted`: the position holds; the server was promoted, and what the position saw is part of what it has now.
 * - `upgraded`: the position holds; the server was taken over by pg_upgrade, and what is stored should follow.
 * - `rewound`: promoted without the end of the log, restored to an earlier time or rolled back. The position says nothing
 *   any more.
 * - `unproven`: promoted, and the role may not see whether the end of the log is missing.
 * - `cloned`: a copy of the database beside the original. Capture must be removed from it.
 * - `restored`: made by dump and restore. Its transaction ids are its own.
 * - `standby`: in recovery. Its snapshots do not list what is in progress, so it cannot be a source.
 */
export type LineageVerdict =
  | 'same'
  | 'promoted'
  | 'upgraded'
  | 'rewound'
  | 'unproven'
  | 'cloned'
  | 'restored'
  | 'standby';

export const judgeLineage = (stored: StoredLineage, seen: Lineage): LineageVerdict => {
  if (seen.isInRecovery) return 'standby';
  if (!seen.isPhysicalCopy) return 'restored';
  const isRewound = seen.xmax < stored.xmax || seen.incarnation < stored.incarnation;
  // pg_upgrade makes a new cluster, with a timeline of its own, and up to version 14 with new database oids.
  if (seen.systemIdentifier !== stored.systemIdentifier) return isRewound ? 'rewound' : 'upgraded';
  if (seen.databaseOid !== stored.databaseOid) return 'cloned';
  if (isRewound) return 'rewound';
  return seen.timeline === stored.timeline ? judgeRestart(stored, seen) : judgePromotion(stored, seen);
};

/** A server that has lost nothing began where the position was, or behind it. */
const judgeRestart = (stored: StoredLineage, seen: Lineage): 'same' | 'rewound' => {
  const place = parseLsn(stored.lsn);
  const hasBegunThere = seen.startedAt === stored.startedAt || reaches(parseLsn(seen.begunAt), place);
  return hasBegunThere && reaches(parseLsn(seen.lsn), place) ? 'same' : 'rewound';
};

/** The timeline of the position was left behind it, and is one that this server went through. */
const judgePromotion = (stored: StoredLineage, { history }: Lineage): 'promoted' | 'rewound' | 'unproven' => {
  if (history === null) return 'unproven';
  const left = history.get(stored.timeline);
  return left !== undefined && reaches(left, parseLsn(stored.lsn)) ? 'promoted' : 'rewound';
};
