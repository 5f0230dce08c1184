/**
 * A database that a sync reads or writes is found in recovery: a standby. It is refused by name, and goes on when it is promoted, also on
 * the connections that it had before.
 *
 * Seen to fail: without the looks in `openSource` and `PostgresWriter` the server's own error was told, which has no name, and the daemon
 * did not say what it waited for; with a lineage that is remembered for a connection whatever it said, a promoted server was
 * refused until its connections broke.
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { connect } from '../../src/pg/conninfo.ts';
import { sql } from '../../src/pg/sql.ts';
import { type Server, startServer } from '../../tools/embedded-postgres.ts';
import { createInstallation } from '../daemon/installation.ts';
import { createGang } from '../support/gang.ts';

vi.setConfig({ testTimeout: 180_000 });

const settings = { fsync: 'off' };
const orders = { schema: 'create table orders (id int primary key, note text)', tables: ['orders'] };
const signalOf = ({ dataDirectory }: Server): string => join(dataDirectory, 'standby.signal');

/** It comes back as a standby, of nobody. */
const demote = async (server: Server): Promise<void> => {
  await server.stop();
  await writeFile(signalOf(server), '');
  await server.start();
};

const promote = async (server: Server): Promise<void> => {
  await using session = await connect(server.parameters, { label: 'server', applicationName: 'test' });
  expect(await session.query(sql`select pg_promote(true, 60) as is_done`)).toEqual([{ is_done: 't' }]);
};

it('a source in recovery is refused, and read again as soon as it is promoted', async () => {
  await using a = await startServer({ settings });
  await using gang = await createGang({ roles: { A: 'source', B: 'target' }, servers: { A: a }, ...orders });
  await gang.run('A', `insert into orders values (1, 'one')`);
  await gang.settle();
  await gang.run('A', `insert into orders values (2, 'two')`);
  await demote(a);
  await gang.reconnect();
  await expect(gang.round('B')).rejects.toMatchObject({
    code: 'server_unsupported',
    facts: { database: 'A' },
    message: expect.stringContaining('A is in recovery') as string,
  });
  expect(await gang.rows('B', 'orders')).toEqual(['(1,one)']);
  await promote(a);
  await gang.run('A', `insert into orders values (3, 'three')`);
  await gang.expectEqual();
  expect(await gang.rows('B', 'orders')).toHaveLength(3);
});

it('a source in recovery is read again when the primary is back in its place', async () => {
  await using a = await startServer({ settings });
  await using gang = await createGang({ roles: { A: 'source', B: 'target' }, servers: { A: a }, ...orders });
  await gang.run('A', `insert into orders values (1, 'one')`);
  await demote(a);
  await gang.reconnect();
  await expect(gang.round('B')).rejects.toMatchObject({ code: 'server_unsupported' });
  await a.stop();
  await rm(signalOf(a));
  await a.start();
  await gang.reconnect();
  await gang.run('A', `insert into orders values (2, 'two')`);
  await gang.expectEqual();
});

it('a target in recovery is refused, and written again as soon as it is promoted', async () => {
  await using b = await startServer({ settings });
  await using gang = await createGang({ roles: { A: 'source', B: 'target' }, servers: { B: b }, ...orders });
  await gang.run('A', `insert into orders values (1, 'one')`);
  await demote(b);
  await gang.reconnect();
  expect(await gang.round('B')).toMatchObject({
    B: { kind: 'bad', error: { code: 'server_unsupported', facts: { database: 'B' } } },
  });
  await promote(b);
  await gang.expectEqual();
  expect(await gang.rows('B', 'orders')).toEqual(['(1,one)']);
});

it('a daemon says so, and goes on by itself when the source is promoted', async () => {
  await using a = await startServer({ settings });
  const shop = await createInstallation({
    roles: { A: 'source', B: 'target' },
    servers: { A: a },
    ...orders,
  });
  await shop.run('A', `insert into orders values (1, 'one')`);
  shop.startDaemon();
  await shop.equal(30_000);
  await demote(a);
  await vi.waitFor(
    async () => expect((await shop.state('B')).lastError).toMatchObject({ code: 'server_unsupported' }),
    { timeout: 60_000, interval: 100 },
  );
  await promote(a);
  await shop.run('A', `insert into orders values (2, 'two')`);
  await shop.equal(60_000);
  await shop.eventually('B', { state: 'idle', lastError: null }, 30_000);
});

it('a source in recovery may be what a database is copied from whole', async () => {
  await using a = await startServer({ settings });
  const tahr = await createInstallation({
    roles: { A: 'source', B: 'fullcopy' },
    servers: { A: a },
    ...orders,
  });
  await tahr.run('A', `insert into orders values (1, 'one')`);
  await demote(a);
  tahr.startDaemon();
  await vi.waitFor(async () => expect(await tahr.kick()).toEqual({ result: 'done' }), { timeout: 20_000 });
  expect(await tahr.rows('B', 'orders')).toEqual(['(1,one)']);
});
