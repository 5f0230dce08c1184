/** Compares tables value by value: by text, and by the binary form where that means the same in every database. */
import { expect } from 'vitest';
import { connect } from '../../src/pg/conninfo.ts';
import type { Row, Session } from '../../src/pg/session.ts';
import { sql } from '../../src/pg/sql.ts';
import type { Gang } from '../support/gang.ts';

/** Below this oid are the types that every database has by the same oid. */
const firstUserOid = 16_384;

/** Each row as text with the digests of its values. Values that name oids in binary count by their text alone. */
const valuesOf = async (session: Session, table: string): Promise<Row[]> => {
  const columns = await session.query(sql`
    select a.attname as name, t.oid < ${firstUserOid}::oid and t.typsend <> 0 and t.typname not like '%reg%' as has_send
      from pg_attribute a join pg_type t on t.oid = a.atttypid
     where a.attrelid = ${`public.${table}`}::regclass and a.attnum > 0 and not a.attisdropped
     order by a.attnum`);
  const values = columns.map(({ name, has_send: hasSend }) => {
    const value = sql.id(name ?? '');
    const binary = hasSend === 't' ? sql`md5(record_send(row(${value})))` : sql`''`;
    return sql`${value}::text || ' ' || ${binary} as ${value}`;
  });
  const ordinals = columns.map((_, index) => sql.verbatim(String(index + 1)));
  return session.query(
    sql`select ${sql.join(values)} from ${sql.id('public', table)} order by ${sql.join(ordinals)}`,
  );
};

/** Settles, and expects the same bytes in these tables on all databases. */
export const expectSameBytes = async (gang: Gang, ...tables: string[]): Promise<void> => {
  await gang.settle();
  const [first, ...others] = gang.sync.members.map(({ database }) => database);
  for (const table of tables) {
    const wanted = await valuesOf(gang.on(first?.name ?? ''), table);
    expect(wanted.length, table).toBeGreaterThan(0);
    for (const { name } of others)
      expect(await valuesOf(gang.on(name), table), `${table} on ${name}`).toEqual(wanted);
  }
};

/** Runs statements in a session with the settings of an ordinary application, not with ours. */
export const runAsApplication = async (gang: Gang, name: string, statements: string): Promise<void> => {
  const member = gang.sync.members.find(({ database }) => database.name === name);
  await using session = await connect(member?.database.parameters ?? {}, {
    label: name,
    applicationName: 'application',
  });
  await session.script(
    sql`reset all; set session search_path = public; set session "DateStyle" = 'SQL, DMY'; set session "IntervalStyle" = 'iso_8601';
      set session "TimeZone" = 'Asia/Kathmandu'; set session extra_float_digits = -3; set session bytea_output = 'escape'`,
    sql.verbatim(statements),
  );
};
