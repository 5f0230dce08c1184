/** What a server and its role allow: read when a sync is validated. */
import { isReplicationError } from '../../model/errors.ts';
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';

export interface Traits {
  /** As `server_version_num`. */
  readonly version: number;
  readonly isInRecovery: boolean;
  readonly encoding: string;
  /** The role may set session_replication_role. */
  readonly hasReplicaRole: boolean;
  /** The role may create a schema. */
  readonly mayCreateSchema: boolean;
  readonly schemaExists: boolean;
  /** The role may create temporary tables, in which rows are staged. */
  readonly mayStage: boolean;
  /** The name of a publication FOR ALL TABLES, or null. */
  readonly publicationForAllTables: string | null;
  readonly hasTempFileLimit: boolean;
}

const publicationForAllTables = sql`(select min(pubname) from pg_publication where puballtables)`;

/** Null: there is none. */
export const readPublicationForAllTables = async (session: Session): Promise<string | null> => {
  const [row] = await session.query(sql`select ${publicationForAllTables} as publication`);
  return row?.['publication'] ?? null;
};

export const readTraits = async (session: Session, schema: string): Promise<Traits> => {
  const [row] = await session.query(sql`
    select pg_is_in_recovery() as is_in_recovery, current_setting('server_encoding') as encoding,
           has_database_privilege(current_database(), 'CREATE') as may_create_schema,
           has_database_privilege(current_database(), 'TEMPORARY') as may_stage,
           to_regnamespace(${schema}) is not null as schema_exists,
           ${publicationForAllTables} as publication,
           current_setting('temp_file_limit') <> '-1' as has_temp_file_limit`);
  return {
    version: session.serverVersion,
    isInRecovery: row?.['is_in_recovery'] === 't',
    encoding: row?.['encoding'] as string,
    hasReplicaRole: await mayBeReplica(session),
    mayCreateSchema: row?.['may_create_schema'] === 't',
    schemaExists: row?.['schema_exists'] === 't',
    mayStage: row?.['may_stage'] === 't',
    publicationForAllTables: row?.['publication'] ?? null,
    hasTempFileLimit: row?.['has_temp_file_limit'] === 't',
  };
};

/** Found out by trying: providers grant it in ways of their own. */
const mayBeReplica = async (session: Session): Promise<boolean> => {
  try {
    await session.script(sql`begin`, sql`set local session_replication_role = 'replica'`);
    return true;
  } catch (error) {
    if (isReplicationError(error, 'privilege_missing')) return false;
    throw error;
  } finally {
    await session.script(sql`rollback`);
  }
};

const tablePrivileges = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER'] as const;
export type TablePrivilege = (typeof tablePrivileges)[number];

/** The privileges of the role on each table, by oid; none where it may not use the schema. */
export const readTablePrivileges = async (
  session: Session,
  oids: readonly string[],
): Promise<Map<string, ReadonlySet<TablePrivilege>>> => {
  const rows = await session.query(sql`
    select c.oid, coalesce(json_agg(p.name) filter (where has_table_privilege(c.oid, p.name)
                                          and has_schema_privilege(c.relnamespace, 'USAGE')), '[]') as held
      from pg_class c cross join unnest(${tablePrivileges}::text[]) as p (name)
     where c.oid = any(${oids}::oid[])
     group by c.oid`);
  return new Map(
    rows.map((row) => [row['oid'] as string, new Set(JSON.parse(row['held'] as string) as TablePrivilege[])]),
  );
};
