/**
 * A target is set back to an older backup, or is found elsewhere.
 *
 * Seen to fail: where a position moved whatever stood before it, what the target had lost stayed lost in silence; where the
 * daemon did not look again after a restart, it stayed lost until the next change; where what is missing was installed without a
 * question, the target began anew as if it had everything.
 */
import { execFileSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { expect, it, vi } from 'vitest';
import { rotateSegments } from '../../src/connectors/postgres/segments.ts';
import { connect } from '../../src/pg/conninfo.ts';
import { sql } from '../../src/pg/sql.ts';
import { type Server, startServer } from '../../tools/embedded-postgres.ts';
import { createInstallation } from '../daemon/installation.ts';
import { createGang, type Gang } from '../support/gang.ts';

vi.setConfig({ testTimeout: 180_000 });

const settings = { fsync: 'off' };
const orders = { schema: 'create table orders (id int primary key, note text)', tables: ['orders'] };

/** With their owner, who need not be the one who runs the test. */
const copyFiles = (from: string, to: string): void => {
  execFileSync('cp', ['-a', from, to]);
};

const backUp = async (server: Server): Promise<void> => {
  await server.stop();
  copyFiles(server.dataDirectory, `${server.dataDirectory}.backup`);
  await server.start();
};

const restore = async (server: Server): Promise<void> => {
  await server.stop();
  await rm(server.dataDirectory, { recursive: true });
  copyFiles(`${server.dataDirectory}.backup`, server.dataDirectory);
  await server.start();
};

const loseSomething = async (gang: Gang): Promise<void> => {
  await gang.run('A', `insert into orders values (3, 'lost')`);
  await gang.run('A', `update orders set note = 'lost' where id = 1`);
  await gang.run('A', 'delete from orders where id = 2');
  await gang.settle();
};

const copyAgain = async (gang: Gang): Promise<void> => {
  await gang.update({ onetimecopy: 1, copyGeneration: gang.sync.copyGeneration + 1 });
  expect(await gang.round('B')).toMatchObject({ B: { kind: 'good' } });
  await gang.update({ onetimecopy: 0 });
};

it.each(['reconnect', 'reconnectUnnoticed'] as const)(
  'a target that was restored takes up again where it was (%s)',
  async (reconnect) => {
    await using b = await startServer({ settings });
    await using gang = await createGang({
      roles: { A: 'source', B: 'target' },
      servers: { B: b },
      ...orders,
    });
    await gang.run('A', `insert into orders values (1, 'one'), (2, 'two')`);
    await gang.settle();
    await backUp(b);
    await gang.reconnect();
    await loseSomething(gang);
    await restore(b);
    await gang[reconnect]();
    await gang.run('A', `insert into orders values (4, 'after')`);
    const outcome = await gang.round('B');
    expect(outcome).toMatchObject({
      B: reconnect === 'reconnect' ? { kind: 'good' } : { kind: 'bad', error: { code: 'fenced' } },
    });
    await gang.expectEqual();
    expect(await gang.rows('B', 'orders')).toEqual(['(1,lost)', '(3,lost)', '(4,after)']);
  },
);

it('a target that was restored to a time of which the changes are gone is refused by name, and heals by a copy', async () => {
  await using b = await startServer({ settings });
  await using gang = await createGang({ roles: { A: 'source', B: 'target' }, servers: { B: b }, ...orders });
  await gang.run('A', `insert into orders values (1, 'one'), (2, 'two')`);
  await gang.settle();
  await backUp(b);
  await gang.reconnect();
  await loseSomething(gang);
  const [position] = await gang
    .on('B')
    .query(sql`select pos::text from tahr.position order by seq desc limit 1`);
  await gang.run('A', `update tahr.consumer set acked = '${position?.['pos']}'`);
  await rotateSegments(gang.on('A'), { schema: 'tahr', ageMs: 100_000 });
  await rotateSegments(gang.on('A'), { schema: 'tahr', ageMs: 0 });

  await restore(b);
  await gang.reconnect();
  await gang.run('A', `insert into orders values (4, 'after')`);
  await expect(gang.round('B')).rejects.toMatchObject({
    code: 'position_lost',
    facts: { source: 'A', database: 'B' },
    hint: expect.stringContaining('onetimecopy=1') as string,
  });
  expect(await gang.rows('B', 'orders')).toEqual(['(1,one)', '(2,two)']);
  await copyAgain(gang);
  await gang.expectEqual();
});

it('a daemon finds by itself that a target was restored, though nothing changes any more', async () => {
  await using b = await startServer({ settings });
  const shop = await createInstallation({
    roles: { A: 'source', B: 'target' },
    servers: { B: b },
    ...orders,
  });
  await backUp(b);
  shop.startDaemon();
  await shop.run('A', `insert into orders values (1, 'one')`);
  await shop.equal(30_000);
  await shop.eventually('B', { state: 'idle' }, 30_000);
  await restore(b);
  expect(await shop.rows('B', 'orders')).toEqual([]);
  await shop.equal(60_000);
  expect(await shop.rows('B', 'orders')).toEqual(['(1,one)']);
  await shop.eventually('B', { state: 'idle', lastError: null }, 30_000);
});

it('a target whose files were moved to another server goes on there', async () => {
  await using b = await startServer({ settings });
  await using gang = await createGang({ roles: { A: 'source', B: 'target' }, servers: { B: b }, ...orders });
  await gang.run('A', `insert into orders values (1, 'before')`);
  await gang.settle();
  await b.stop();
  await using moved = await startServer({ settings, copyOf: b });
  await gang.move('B', moved);
  await gang.run('A', `insert into orders values (2, 'after')`);
  await gang.expectEqual();
});

it('a target that was moved without the schema of Tahr is refused until a copy is asked for', async () => {
  await using b = await startServer({ settings });
  await using moved = await startServer({ settings });
  await using gang = await createGang({ roles: { A: 'source', B: 'target' }, servers: { B: b }, ...orders });
  await gang.run('A', `insert into orders values (1, 'one')`);
  await gang.settle();
  const [position] = await gang
    .on('B')
    .query(sql`select pos::text, current_database() as name from tahr.position order by seq desc limit 1`);
  await gang.run('A', `update tahr.consumer set acked = '${position?.['pos']}'`);
  // As from a dump that was made before anything had been replicated.
  await using administrator = await connect(moved.parameters, { label: 'moved', applicationName: 'test' });
  await administrator.query(sql`create database ${sql.id(position?.['name'] ?? '')}`);
  await gang.move('B', moved);
  await gang.run('B', orders.schema);
  await gang.run('A', `insert into orders values (2, 'two')`);

  await expect(gang.round('B')).rejects.toMatchObject({ code: 'position_lost', facts: { database: 'B' } });
  await expect(gang.update({})).rejects.toMatchObject({ code: 'position_lost', facts: { database: 'B' } });
  await expect(gang.round('B')).rejects.toMatchObject({ code: 'position_lost' });
  expect(await gang.rows('B', 'orders')).toEqual([]);
  await copyAgain(gang);
  await gang.expectEqual();
});
