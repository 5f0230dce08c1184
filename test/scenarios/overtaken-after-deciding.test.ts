/**
 * A row that does not exist cannot be locked. An application writes it after the round has decided, and before the round writes
 * it itself: the round gives way, and the next one decides with the application's change in view.
 */
import { expect, test } from 'vitest';
import { passOn } from '../../src/replication/fault-point.ts';
import { createGang, type Gang } from '../support/gang.ts';

/** One round, in which an application on B does this between the decision and the writing. */
const roundOvertakenBy = async (gang: Gang, statements: string): Promise<unknown> => {
  gang.at(async (point, { name }) => {
    if (point === 'decided' && name === 'B') await gang.run('B', statements);
  });
  const outcome = await gang.round();
  gang.at(passOn);
  return outcome['B'];
};

const createOrders = (): Promise<Gang> =>
  createGang({
    roles: { A: 'source', B: 'source' },
    schema: 'create table orders (id int primary key, note text)',
    tables: ['orders'],
  });

test('an application inserts the row: its later change wins, and the other is recorded', async () => {
  await using gang = await createOrders();
  await gang.run('A', `insert into orders values (1, 'of A')`);
  const outcome = await roundOvertakenBy(gang, `insert into orders values (1, 'of B')`);
  expect(outcome).toMatchObject({ kind: 'bad', error: { code: 'given_way' } });
  await gang.expectEqual();
  expect(await gang.rows('A', 'orders')).toEqual(['(1,"of B")']);
  expect(await gang.conflicts('B')).toMatchObject([{ key: '1', winner: '2' }]);
});

// Fails when a round does not look whether an application was faster (npm run mutate).
test('an application inserts the row and deletes it again: the deletion is the later change, and is not lost', async () => {
  await using gang = await createOrders();
  await gang.run('A', `insert into orders values (1, 'of A')`);
  const outcome = await roundOvertakenBy(
    gang,
    `insert into orders values (1, 'of B'); delete from orders where id = 1`,
  );
  expect(outcome).toMatchObject({ kind: 'bad', error: { code: 'given_way' } });
  await gang.expectEqual();
  expect(await gang.rows('A', 'orders')).toEqual([]);
  expect(await gang.conflicts('B')).toMatchObject([{ key: '1', winner: '2' }]);
});
