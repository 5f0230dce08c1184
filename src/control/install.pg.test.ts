import { expect, test } from 'vitest';
import { createDatabase, databaseOn } from '../../test/support/databases.ts';
import { majors, startServer } from '../../tools/embedded-postgres.ts';
import type { DatabaseName } from '../model/topology.ts';
import type { Session } from '../pg/session.ts';
import { sql } from '../pg/sql.ts';
import { appendConflicts } from './conflict-log.ts';
import { heartbeat, listDaemons } from './daemon.ts';
import { checkControl, installControl } from './install.ts';
import { getInstallation } from './installation.ts';
import { type DaemonId, readLeases, renewLeases, takeLeases } from './lease.ts';
import { rememberRelations } from './relation.ts';
import { recordRounds } from './round.ts';
import { openControlStore } from './store.ts';
import { loadSyncDefinitions } from './sync-definition.ts';
import { addTotals, writeSyncStates } from './sync-state.ts';

/** Every column, constraint, index, trigger and function of the schema, one on each line, in a fixed order. */
const describeSchema = async (session: Session, schema: string): Promise<string> => {
  const rows = await session.query(sql`
    with n as (select oid from pg_namespace where nspname = ${schema}::text),
         tables as (select c.* from pg_class c join n on n.oid = c.relnamespace where c.relkind = 'r')
    select line
      from (
        select format('table %s%s', t.relname, ' with ' || array_to_string(t.reloptions, ', ')) as line from tables t
        union all
        select format('column %s.%s %s%s%s%s', t.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                      case when a.attnotnull then ' not null' end,
                      ' default ' || pg_get_expr(d.adbin, d.adrelid),
                      case a.attidentity when 'a' then ' generated always as identity' end)
          from tables t
          join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
          left join pg_attrdef d on d.adrelid = t.oid and d.adnum = a.attnum
        union all
        select format('constraint %s.%s %s', t.relname, k.conname, pg_get_constraintdef(k.oid))
          from tables t
          join pg_constraint k on k.conrelid = t.oid and k.contype <> 'n'
        union all
        select 'index ' || pg_get_indexdef(i.indexrelid)
          from tables t
          join pg_index i on i.indrelid = t.oid
        union all
        select 'trigger ' || pg_get_triggerdef(g.oid)
          from tables t
          join pg_trigger g on g.tgrelid = t.oid and not g.tgisinternal
        union all
        select 'function ' || pg_get_functiondef(p.oid) from pg_proc p join n on n.oid = p.pronamespace
      ) description
     order by line collate "C"
  `);
  return rows.map(({ line }) => `${line}\n`).join('');
};

test('the result of the migrations is the one that is written down', async () => {
  const database = await createDatabase('install');
  const session = await database.session();
  await installControl(session, { schema: 'tahr' });
  await expect(await describeSchema(session, 'tahr_control')).toMatchFileSnapshot('./sql/schema.txt');
});

test.each(majors.filter((major) => major !== 18))('PostgreSQL %i takes the control store', async (major) => {
  await using server = await startServer({ major, settings: { fsync: 'off' } });
  await using database = await databaseOn(server, 'install');
  await installControl(await database.session(), { schema: 'tahr' });
  await using store = await openControlStore({ connect: () => database.session(), schema: 'tahr' });
  await store.transaction(async (db) => {
    expect(await getInstallation(db)).toMatchObject({ schema: 'tahr' });
    const id = '8ffa2b1c-0000-4000-8000-000000000001' as DaemonId;
    await heartbeat(db, { id, host: 'here', pid: 1, version: '0.1.0', logDestination: 'stderr' });
    expect(await listDaemons(db)).toMatchObject([{ host: 'here' }]);
    expect(await takeLeases(db, { daemon: id, syncs: [] })).toEqual([]);
    expect(await renewLeases(db, id)).toEqual([]);
    expect(await readLeases(db)).toEqual([]);
    expect(await loadSyncDefinitions(db)).toEqual([]);
    expect(await rememberRelations(db, [])).toEqual([]);
    await writeSyncStates(db, { daemon: id, states: [] });
    await addTotals(db, []);
    await recordRounds(db, []);
    await appendConflicts(db, { database: 'A' as DatabaseName, conflicts: [] });
  });
});

test('installing twice changes nothing, and keeps the installation', async () => {
  const database = await createDatabase('install');
  const session = await database.session();
  expect(await installControl(session, { schema: 'tahr' })).toEqual({
    applied: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  });
  await using store = await openControlStore({ connect: () => database.session(), schema: 'tahr' });
  const before = await store.transaction(getInstallation);
  expect(await installControl(session, { schema: 'tahr' })).toEqual({ applied: [] });
  expect(await store.transaction(getInstallation)).toEqual(before);
});

test('three installers at once make one store: each migration is applied by one of them', async () => {
  const database = await createDatabase('install');
  const sessions = await Promise.all([database.session(), database.session(), database.session()]);
  const results = await Promise.all(sessions.map((session) => installControl(session, { schema: 'tahr' })));
  const applied = results.flatMap((result) => result.applied);
  expect(applied.toSorted((one, other) => one - other)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
});

test('two installations live in one database, each under its own schema', async () => {
  const database = await createDatabase('install');
  const session = await database.session();
  await installControl(session, { schema: 'tahr' });
  await installControl(session, { schema: 'Zweite "Anlage"' });
  await using store = await openControlStore({
    connect: () => database.session(),
    schema: 'Zweite "Anlage"',
  });
  expect(await store.transaction(getInstallation)).toMatchObject({ schema: 'Zweite "Anlage"' });
});

test('a database without a store says so', async () => {
  const database = await createDatabase('install');
  const session = await database.session();
  await expect(checkControl(session, { schema: 'tahr' })).rejects.toMatchObject({ code: 'not_installed' });
  await expect(openControlStore({ connect: () => database.session(), schema: 'tahr' })).rejects.toMatchObject(
    { code: 'not_installed' },
  );
});

test('a store with a breaking migration of a newer version is refused, one with a compatible one is not', async () => {
  const database = await createDatabase('install');
  const session = await database.session();
  await installControl(session, { schema: 'tahr' });
  await session.query(sql`insert into tahr_control.migration (number, is_breaking) values (8000, false)`);
  await checkControl(session, { schema: 'tahr' });
  await session.query(sql`insert into tahr_control.migration (number, is_breaking) values (9000, true)`);
  await expect(checkControl(session, { schema: 'tahr' })).rejects.toMatchObject({ code: 'not_installed' });
});

test('a schema of the same name that holds something else is left alone', async () => {
  const database = await createDatabase('install');
  const session = await database.session();
  await session.script(sql`create schema tahr_control`, sql`create table tahr_control.sync (a int)`);
  await expect(installControl(session, { schema: 'tahr' })).rejects.toMatchObject({ code: 'already_exists' });
  expect(await session.query(sql`select to_regclass('tahr_control.migration') as there`)).toEqual([
    { there: null },
  ]);
});

test('an ordinary role that owns the schema needs no other right', async () => {
  const database = await createDatabase('install');
  const session = await database.session();
  const role = `owner_${database.name}`;
  await session.script(
    sql`create role ${sql.id(role)}`,
    sql`create schema tahr_control authorization ${sql.id(role)}`,
    sql`revoke all on schema public from public`,
    sql`set session authorization ${sql.id(role)}`,
  );
  expect(await installControl(session, { schema: 'tahr' })).toEqual({
    applied: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  });
  await session.script(
    sql`reset session authorization`,
    sql`drop owned by ${sql.id(role)}`,
    sql`drop role ${sql.id(role)}`,
  );
});

test.each(['', 'pg_mine', 'x'.repeat(56)])('the schema name %j is refused', async (schema) => {
  const database = await createDatabase('install');
  await expect(installControl(await database.session(), { schema })).rejects.toMatchObject({
    code: 'configuration_invalid',
  });
});
