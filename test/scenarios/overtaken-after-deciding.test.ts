/**
 * A row that does not exist cannot be locked. An application writes it after the round has decided, and before the round writes
 * it itself: the round gives way, and the next one decides with the application's change in view.
 */
import { expect, test, vi } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
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

/** Somebody waits on B for a lock that another has. */
const waiting = sql`
  select from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())`;

// Fails when a round does not look after rows that it leaves as they are (npm run mutate).
test('an application changes its row, which has won: no conflict is recorded with the later row as the earlier version', async () => {
  await using gang = await createOrders();
  const log = await gang.another('B');
  await gang.run('A', `insert into orders values (1, 'of A')`);
  let changed: Promise<void> = Promise.resolve();
  gang.at(async (point, { name }) => {
    if (point !== 'rows_locked' || name !== 'B') return;
    await gang.run('B', `insert into orders values (1, 'of B')`);
    // The round comes as far as the log, with the row that is there now, and no farther before it is another one.
    await log.script(sql`begin`, sql`lock table tahr.conflict in exclusive mode`);
    changed = vi
      .waitFor(async () => expect(await gang.on('B').query(waiting)).toHaveLength(1), { interval: 5 })
      .then(() => gang.run('B', `update orders set note = 'of B, later'`))
      .then(() => log.script(sql`commit`))
      .then(() => undefined);
  });
  const outcome = await gang.round();
  await changed;
  gang.at(passOn);
  expect(outcome['B']).toMatchObject({ kind: 'bad', error: { code: 'given_way' } });
  await gang.expectEqual();
  const conflicts = await gang.conflicts('B');
  expect(conflicts).toMatchObject([{ key: '1', winner: '2' }]);
  expect(conflicts[0]?.['versions']).toContain('of B, later');
});
