/** A clock that is known to be ahead: changes are compared by the times that they really have. */
import { expect, it } from 'vitest';
import { correctClock } from '../../src/connectors/postgres/true-time.ts';
import { createGang } from '../support/gang.ts';

const hourMs = 3_600_000;
const orders = { schema: 'create table orders (id int primary key, note text)', tables: ['orders'] };

// Fails when the times of changes are taken as the clocks of their servers tell them.
it('what a clock is ahead is taken off the times of its changes, from then on and for everybody the same', async () => {
  await using gang = await createGang({ roles: { A: 'source', B: 'source', C: 'target' }, ...orders });
  await gang.run('B', `insert into orders values (1, 'B')`);
  await gang.run('A', `insert into orders values (1, 'A')`);
  await correctClock(gang.on('A'), 'tahr', hourMs);
  await gang.run('B', `insert into orders values (2, 'B'), (3, 'B')`);
  await gang.run('A', `insert into orders values (2, 'A')`);
  await gang.run('A', `insert into orders values (3, 'A')`);
  await correctClock(gang.on('A'), 'tahr', 0);
  await gang.run('B', `insert into orders values (4, 'B')`);
  await gang.run('A', `insert into orders values (4, 'A')`);
  await gang.expectEqual();
  expect(await gang.rows('C', 'orders')).toEqual(['(1,A)', '(2,B)', '(3,B)', '(4,A)']);
  const conflicts = await gang.conflicts('A');
  expect(conflicts.map(({ winner }) => winner)).toEqual(['1', '2', '2', '1']);
});

it('a truncation is compared by its true time as well', async () => {
  await using gang = await createGang({ roles: { A: 'source', B: 'source' }, ...orders });
  await gang.run('A', `insert into orders values (1, 'both')`);
  await gang.settle();
  await correctClock(gang.on('A'), 'tahr', hourMs);
  await gang.run('B', `update orders set note = 'earlier than it looks'`);
  await gang.run('A', `truncate orders`);
  await gang.expectEqual();
  expect(await gang.rows('A', 'orders')).toEqual(['(1,"earlier than it looks")']);
});
