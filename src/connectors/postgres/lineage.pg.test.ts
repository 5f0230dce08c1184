import { expect, test } from 'vitest';
import { createDatabase } from '../../../test/support/databases.ts';
import type { DatabaseId } from '../../model/topology.ts';
import { connect } from '../../pg/conninfo.ts';
import { sql } from '../../pg/sql.ts';
import { installSchema } from './identity.ts';
import { judgeLineage, readLineage } from './lineage.ts';

const schema = 'tahr';
const owner = { schema, installation: '11111111-1111-1111-1111-111111111111', database: 1 as DatabaseId };

test('the same database is recognised, also after its rows were frozen', async () => {
  const database = await createDatabase('lineage');
  const session = await database.session();
  await installSchema(session, owner);
  const stored = await readLineage(session, schema);
  await session.query(sql`vacuum (freeze) tahr.identity`);
  expect(judgeLineage(stored, await readLineage(session, schema))).toBe('same');
});

test('a copy made by CREATE DATABASE TEMPLATE is a clone', async () => {
  const database = await createDatabase('original');
  const session = await database.session();
  await installSchema(session, owner);
  const stored = await readLineage(session, schema);
  await session.close();
  const server = { ...database.parameters, dbname: 'postgres' };
  const copy = `${database.name}_copy`;
  await using administrator = await connect(server, { label: 'server', applicationName: 'test' });
  await administrator.query(sql`create database ${sql.id(copy)} template ${sql.id(database.name)}`);
  const clone = await connect({ ...server, dbname: copy }, { label: 'copy', applicationName: 'test' });
  expect(judgeLineage(stored, await readLineage(clone, schema))).toBe('cloned');
  await clone.close();
  await administrator.query(sql`drop database ${sql.id(copy)}`);
});

test('a row of identity that another transaction wrote, as dump and restore do, is a restored database', async () => {
  const database = await createDatabase('restored');
  const session = await database.session();
  await installSchema(session, owner);
  const stored = await readLineage(session, schema);
  await session.script(
    sql`create temporary table dump as select * from tahr.identity`,
    sql`delete from tahr.identity`,
    sql`insert into tahr.identity select * from dump`,
  );
  expect(judgeLineage(stored, await readLineage(session, schema))).toBe('restored');
});

test('an ordinary role can read the lineage', async () => {
  const database = await createDatabase('lineage_role');
  const session = await database.session();
  await session.script(sql`drop role if exists lineage_reader`, sql`create role lineage_reader login`);
  await session.script(sql`grant create on database ${sql.id(database.name)} to lineage_reader`);
  const ordinary = await database.session();
  await ordinary.script(sql`set session authorization lineage_reader`);
  await installSchema(ordinary, owner);
  expect((await readLineage(ordinary, schema)).isPhysicalCopy).toBe(true);
});

test('a schema name that cannot be part of a setting is refused', async () => {
  const session = await (await createDatabase('named')).session();
  await expect(installSchema(session, { ...owner, schema: 'My Schema' })).rejects.toMatchObject({
    code: 'configuration_invalid',
  });
});
