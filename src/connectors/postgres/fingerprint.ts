/**
 * What capture triggers cannot see, found by looking at the catalogue (engine rule §10): columns and keys that
 * changed, triggers that were disabled for a while (also within one transaction that is over: the row of pg_trigger
 * has another xmin then), partitions that came or went with their rows. What notes by what rows are merged notes no changes, and is
 * left out.
 *
 * One statement, whatever the number of tables; it belongs into the transaction that reads the deltas.
 */
import type { Row, Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { fingerprintOf } from './catalogue.ts';
import type { Table } from './table.ts';

export interface Fingerprint {
  /** That of `Table`. */
  readonly table: string;
  readonly triggers: string;
  readonly children: string;
  /** Where it was taken: pg_upgrade makes all of it anew. */
  readonly systemIdentifier: string;
}

export type FingerprintFinding =
  | 'relation_missing'
  | 'columns_changed'
  | 'capture_disturbed'
  | 'partitions_changed';

const selectFingerprints = (schema: string, oids: readonly string[]): Sql => sql`
    select c.oid, ${fingerprintOf(sql`c`)} as table,
           (select md5(string_agg(concat_ws(',', t.oid, t.xmin, t.tgenabled), ';' order by t.oid))
              from pg_trigger t
              join pg_proc p on p.oid = t.tgfoid
              join pg_namespace n on n.oid = p.pronamespace
             where t.tgrelid = c.oid and n.nspname = ${schema}::name and p.proname not like '%\\_merged') as triggers,
           (select md5(string_agg(concat_ws(',', i.inhrelid, i.xmin), ';' order by i.inhrelid))
              from pg_partition_tree(c.oid) part
              join pg_inherits i on i.inhrelid = part.relid
             where part.level > 0) as children,
           (select s.system_identifier from pg_control_system() s) as system_identifier
      from pg_class c
     where c.oid = any(${oids}::oid[])`;

/** The part that says what a table is, for tables as they were read: it comes with every round. */
export const selectDefinitions = (tables: readonly Table[]): Sql => {
  // Under our search path the name of any other type comes with its schema.
  const isOwn = tables.some(({ columns }) => columns.some(({ type }) => type.includes('.')));
  return sql`
    select c.oid, ${fingerprintOf(sql`c`, isOwn)} as table
      from pg_class c
     where c.oid = any(${tables.map(({ oid }) => oid)}::oid[])`;
};

/** By the oid of the table; a table that was dropped has none. */
export const decodeDefinitions = (rows: readonly Row[]): ReadonlyMap<string, string> =>
  new Map(rows.map((row) => [row['oid'] as string, row['table'] as string]));

/** By the oid of the table; a table that was dropped has none. */
const decodeFingerprints = (rows: readonly Row[]): ReadonlyMap<string, Fingerprint> =>
  new Map(
    rows.map((row) => [
      row['oid'] as string,
      {
        table: row['table'] as string,
        triggers: row['triggers'] ?? '',
        children: row['children'] ?? '',
        systemIdentifier: row['system_identifier'] as string,
      },
    ]),
  );

export const readFingerprints = async (
  session: Session,
  schema: string,
  oids: readonly string[],
): Promise<ReadonlyMap<string, Fingerprint>> =>
  decodeFingerprints(await session.query(selectFingerprints(schema, oids)));

/**
 * What happened to a table between two looks; null when nothing did. Of several things the one by which changes may have been
 * missed.
 */
export const compareFingerprints = (
  before: Fingerprint,
  now: Fingerprint | undefined,
): FingerprintFinding | null => {
  if (now === undefined) return 'relation_missing';
  if (now.children !== before.children) return 'partitions_changed';
  if (now.triggers !== before.triggers) return 'capture_disturbed';
  return now.table === before.table ? null : 'columns_changed';
};
