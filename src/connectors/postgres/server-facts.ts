/** What a server says about itself and the role that we connect as: for showing to the operator. */
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';

export interface ServerFacts {
  /** As people write it: `18.4`. */
  readonly version: string;
  readonly role: string;
  readonly database: string;
  readonly isSuperuser: boolean;
  /** A standby: can be read, but is no source and no target. */
  readonly isInRecovery: boolean;
}

export const readServerFacts = async (session: Session): Promise<ServerFacts> => {
  const [row] = await session.query(sql`
    select current_user as role, current_database() as database, pg_is_in_recovery() as "isInRecovery",
           (select r.rolsuper from pg_roles r where r.rolname = current_user) as "isSuperuser"`);
  return {
    version: `${Math.floor(session.serverVersion / 10_000)}.${session.serverVersion % 10_000}`,
    role: row?.['role'] ?? '',
    database: row?.['database'] ?? '',
    isSuperuser: row?.['isSuperuser'] === 't',
    isInRecovery: row?.['isInRecovery'] === 't',
  };
};
