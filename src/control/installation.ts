/** Table `installation`: one row, made with the schema. Everything on a replicated database belongs to its `id`. */
import { sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { type EpochMs, row, text, timestamp } from './row.ts';

export interface Installation {
  /** A uuid, never changed. */
  readonly id: string;
  /** The schema of the replication objects on every database that takes part. */
  readonly schema: string;
  readonly createdAt: EpochMs;
}

const installationRow = row({ id: text, schema: text, createdAt: timestamp });

export const getInstallation = (db: Db): Promise<Installation> =>
  db.one(installationRow, sql`select id, schema_name as schema, created_at as "createdAt" from installation`);
