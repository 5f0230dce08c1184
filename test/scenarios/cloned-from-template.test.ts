/**
 * A source is copied with CREATE DATABASE … TEMPLATE, and the copy is taken for it, or beside it.
 *
 * Seen to fail: with `judgeLineage` blind to the number of the database, what was written in the copy came to the target as if it were
 * the original's; with `checkOwner` blind to it, the copy joined its own original under another name; with a deadline that is put off
 * whatever there is (`pass_deadline`), it noted for ever.
 */
import { expect, it, vi } from 'vitest';
import type { Database, DatabaseId, DatabaseName } from '../../src/model/topology.ts';
import { connect } from '../../src/pg/conninfo.ts';
import { sql } from '../../src/pg/sql.ts';
import { type Server, startServer } from '../../tools/embedded-postgres.ts';
import { existingDatabase } from '../support/databases.ts';
import { createGang, type Gang } from '../support/gang.ts';

vi.setConfig({ testTimeout: 180_000 });

const settings = { fsync: 'off' };
const orders = { schema: 'create table orders (id int primary key, note text)', tables: ['orders'] };

const nameOf = async (gang: Gang, name: string): Promise<string> => {
  const [row] = await gang.on(name).query(sql`select current_database() as name`);
  return row?.['name'] ?? '';
};

/** @returns the name of the copy */
const clone = async (server: Server, original: string): Promise<string> => {
  const copy = `${original}_copy`;
  await using administrator = await connect(server.parameters, { label: 'server', applicationName: 'test' });
  await administrator.query(
    sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${original}`,
  );
  await administrator.script(sql`create database ${sql.id(copy)} template ${sql.id(original)}`);
  return copy;
};

it('the copy in the place of the original is refused, and the original goes on', async () => {
  await using a = await startServer({ settings });
  await using gang = await createGang({ roles: { A: 'source', B: 'target' }, servers: { A: a }, ...orders });
  await gang.run('A', `insert into orders values (1, 'both have it')`);
  await gang.settle();
  const original = await nameOf(gang, 'A');
  const copy = await clone(a, original);
  await gang.move('A', a, copy);
  await gang.run('A', `insert into orders values (2, 'only in the copy')`);
  await expect(gang.round('B')).rejects.toMatchObject({
    code: 'position_lost',
    facts: { source: 'A', database: 'B' },
    hint: expect.stringContaining('If the original is meant, correct dbname=') as string,
  });
  expect(await gang.rows('B', 'orders')).toEqual(['(1,"both have it")']);
  await gang.move('A', a, original);
  await gang.run('A', `insert into orders values (3, 'in the original')`);
  await gang.expectEqual();
  expect(await gang.rows('B', 'orders')).toEqual(['(1,"both have it")', '(3,"in the original")']);
});

it('the copy beside the original is refused until the schema of Tahr is dropped there, and then it may join', async () => {
  await using a = await startServer({ settings });
  await using gang = await createGang({ roles: { A: 'source', B: 'target' }, servers: { A: a }, ...orders });
  await gang.run('A', `insert into orders values (1, 'both have it')`);
  await gang.settle();
  const copy = existingDatabase(a, await clone(a, await nameOf(gang, 'A')));
  await gang.reconnect();
  const database: Database = {
    id: 3 as DatabaseId,
    name: 'C' as DatabaseName,
    status: 'active',
    parameters: copy.parameters,
    makedelta: false,
  };
  const members = [...gang.sync.members, { role: 'target' as const, database }];
  const before = gang.sync;
  await expect(gang.update({ members })).rejects.toMatchObject({
    code: 'foreign_installation',
    facts: { database: 'C' },
    hint: expect.stringContaining('drop schema tahr cascade') as string,
  });
  gang.pretend(before);
  await using session = await copy.session();
  await session.script(sql`drop schema tahr cascade`);
  await session.script(sql`insert into public.orders values (2, 'only in the copy')`);
  await gang.run('A', `insert into orders values (3, 'in the original')`);
  await gang.expectEqual();
  await gang.update({ members });
  expect(await session.query(sql`select source from tahr.position`)).toEqual([{ source: '1' }]);
});

it('the copy notes nothing any more when its notes take room and no daemon comes, and the original notes on', async () => {
  await using a = await startServer({ settings });
  await using gang = await createGang({ roles: { A: 'source', B: 'target' }, servers: { A: a }, ...orders });
  const copy = existingDatabase(a, await clone(a, await nameOf(gang, 'A')));
  await gang.reconnect();
  await using session = await copy.session();
  const sizeOf = async (): Promise<number> => {
    const [row] = await session.query(sql`select pg_relation_size('tahr.d_1_0') as bytes`);
    return Number(row?.['bytes']);
  };
  await session.script(
    sql`update tahr.identity set budget_bytes = 50000000`,
    sql`insert into public.orders select n from generate_series(1, 20000) n`,
    // As if a month had passed.
    sql`select setval('tahr.control', (extract(epoch from now())::bigint - 1) * 16)`,
  );
  const before = await sizeOf();
  expect(before).toBeGreaterThan(0);
  await session.script(sql`insert into public.orders select n from generate_series(20001, 40000) n`);
  expect(await sizeOf()).toBe(before);
  await gang.run('A', `insert into orders values (1, 'noted')`);
  await gang.expectEqual();
  expect(await gang.rows('B', 'orders')).toEqual(['(1,noted)']);
});
