/**
 * A source is copied with CREATE DATABASE … TEMPLATE, and the copy is taken for it: it has the same system identifier, timeline and
 * transaction ids, and the deltas and triggers of the original.
 *
 * Seen to fail: with a lineage that does not look at the number of the database (`databaseOid` in `judgeLineage`) the round reads the
 * copy on as if it were the original, and its rows come to the target.
 */
import { expect, inject, it } from 'vitest';
import { connect } from '../../src/pg/conninfo.ts';
import type { Session } from '../../src/pg/session.ts';
import { sql } from '../../src/pg/sql.ts';
import { createGang, type Gang } from '../support/gang.ts';

/** Nobody may be connected to a database that is copied or renamed. */
const disconnect = (administrator: Session, database: string): Promise<unknown> =>
  administrator.query(
    sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${database}::name`,
  );

const databaseOf = (gang: Gang, name: string): string => {
  const member = gang.sync.members.find(({ database }) => database.name === name);
  return member?.database.parameters['dbname'] ?? '';
};

it('is refused by name, gives nothing to the targets, and the original goes on when it is back in its place', async () => {
  await using administrator = await connect(inject('sharedServer'), {
    label: 'the test server',
    applicationName: 'administrator',
  });
  await using gang = await createGang({
    roles: { A: 'source', B: 'target' },
    schema: 'create table orders (id int primary key, note text)',
    tables: ['orders'],
  });
  await gang.run('A', `insert into orders values (1, 'one')`);
  await gang.settle();
  await gang.run('A', `insert into orders values (2, 'not read yet')`);
  const [place, original] = [databaseOf(gang, 'A'), `${databaseOf(gang, 'A')}_original`];
  const putInPlace = async (statements: readonly string[]): Promise<void> => {
    for (const database of [place, original]) await disconnect(administrator, database);
    for (const statement of statements) await administrator.script(sql.verbatim(statement));
    await gang.reconnect();
  };

  await putInPlace([
    `alter database ${place} rename to ${original}`,
    `create database ${place} template ${original}`,
  ]);
  await gang.run('A', `insert into orders values (3, 'written on the copy')`);
  await expect(gang.round('B')).rejects.toMatchObject({ code: 'position_lost', facts: { source: 'A' } });
  expect(await gang.rows('B', 'orders')).toEqual(['(1,one)']);

  await putInPlace([`drop database ${place}`, `alter database ${original} rename to ${place}`]);
  await gang.run('A', `insert into orders values (4, 'on the original')`);
  await gang.expectEqual();
  expect(await gang.rows('B', 'orders')).toEqual(['(1,one)', '(2,"not read yet")', '(4,"on the original")']);
});
