import { setTimeout as wait } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { startServer } from '../../tools/embedded-postgres.ts';
import { createGang } from '../support/gang.ts';

const orders = 'create table orders (id int primary key, note text)';

// Fails when nobody waits until the source has flushed what it showed (npm run mutate).
it('what a target has received is still there after the source has crashed, also of writers that did not wait for the disk', async () => {
  // The server itself would flush a commit that nobody waits for after ten seconds.
  await using source = await startServer({ settings: { wal_writer_delay: '10s' } });
  await using gang = await createGang({
    roles: { A: 'source', B: 'target' },
    servers: { A: source },
    schema: orders,
    tables: ['orders'],
  });
  await gang.run('A', 'set synchronous_commit = off');
  await gang.run('A', `insert into orders values (1, 'one')`);
  await gang.round('B');
  expect(await gang.rows('B', 'orders')).toEqual(['(1,one)']);
  await source.kill();
  await source.start();
  await gang.reconnect();
  await gang.run('A', `insert into orders values (2, 'two')`);
  await gang.expectEqual();
  expect(await gang.rows('A', 'orders')).toEqual(['(1,one)', '(2,two)']);
});

// Fails when each table is committed by itself (npm run mutate).
it('the tables of a transaction are seen together on a target at every moment', async () => {
  await using gang = await createGang({
    roles: { A: 'source', B: 'target' },
    schema: `${orders}; create table lines (id int primary key, note text)`,
    tables: ['orders', 'lines'],
  });
  const endsAt = Date.now() + 3000;
  const isOver = (): boolean => Date.now() > endsAt;
  const write = async (): Promise<void> => {
    for (let id = 1; !isOver(); id += 1)
      await gang.run(
        'A',
        `begin; insert into orders values (${id}); insert into lines values (${id}); commit`,
      );
  };
  const halves: string[] = [];
  const watch = async (): Promise<void> => {
    while (!isOver()) {
      const [row] = await gang.on('B').query(sql`
        select (select count(*) from public.orders) as orders, (select count(*) from public.lines) as lines`);
      if (row?.['orders'] !== row?.['lines'])
        halves.push(`${row?.['orders']} orders, ${row?.['lines']} lines`);
    }
  };
  const replicate = async (): Promise<void> => {
    while (!isOver()) await gang.round('B');
  };
  await Promise.all([write(), watch(), replicate()]);
  await gang.expectEqual();
  expect((await gang.rows('B', 'orders')).length).toBeGreaterThan(20);
  expect(halves).toEqual([]);
});

// Fails when rows are kept while they pass (npm run mutate).
it('a backlog passes through without being held in memory', async () => {
  await using gang = await createGang({
    roles: { A: 'source', B: 'target' },
    schema: orders,
    tables: ['orders'],
  });
  await gang.run('A', `insert into orders select n, repeat('x', 1500) from generate_series(1, 200000) n`);
  const before = process.memoryUsage().rss;
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 20);
  await gang.round('B');
  clearInterval(timer);
  const [row] = await gang
    .on('B')
    .query(sql`select count(*) as rows, sum(length(note)) as bytes from public.orders`);
  expect(row).toEqual({ rows: '200000', bytes: '300000000' });
  expect((peak - before) / 1024 / 1024, 'growth in MB while 300 MB passed').toBeLessThan(150);
});

// Fails when rows are locked as for a deletion (npm run mutate).
it('an application inserts a child while a round is writing its parent, without waiting and without an error', async () => {
  await using gang = await createGang({
    roles: { A: 'source', B: 'source' },
    schema: `${orders}; create table blocked (id int primary key, note text);
             create table lines (id int primary key, parent int references orders)`,
    tables: ['orders', 'blocked', 'lines'],
  });
  await gang.run('A', `insert into orders values (1, 'one'); insert into blocked values (1, 'one')`);
  await gang.settle();
  await gang.run('A', `update orders set note = 'changed'; update blocked set note = 'changed'`);
  // The round has the parent's row by now and waits for this one.
  await gang.run('B', 'begin; select from blocked for update');
  const round = gang.round('B');
  await wait(250);
  const startedAt = Date.now();
  await gang.run('B', 'insert into lines values (1, 1)');
  const tookMs = Date.now() - startedAt;
  await gang.run('B', 'commit');
  expect(tookMs).toBeLessThan(100);
  await round;
  await gang.expectEqual();
  expect(await gang.rows('A', 'lines')).toEqual(['(1,1)']);
});
