/**
 * Two-phase commit on the sources: PREPARE TRANSACTION forbids NOTIFY, and what is prepared may stay so for long, also while no
 * daemon runs, and over a restart of the server.
 *
 * Seen to fail: with triggers that notify when they are armed (`note.sql`), by a watch that arms them (`mayArm`) or by what was left
 * behind, PREPARE fails; with a position that counts transactions in progress as seen (`isBeyond`) nothing of them arrives.
 */
import { expect, test, vi } from 'vitest';
import { arm } from '../../src/connectors/postgres/control-word.ts';
import { sql } from '../../src/pg/sql.ts';
import { startServer } from '../../tools/embedded-postgres.ts';
import { again, together } from '../support/workload.ts';
import { createInstallation } from './installation.ts';

test('never fails because of the triggers, arrives when it is committed, and leaves nothing when it is rolled back', {
  timeout: 120_000,
}, async () => {
  await using server = await startServer({ settings: { fsync: 'off', max_prepared_transactions: '20' } });
  const shop = await createInstallation({
    roles: { A: 'source', B: 'source', C: 'target' },
    servers: { A: server },
    schema: 'create table item (id int primary key, note text)',
    tables: ['item'],
  });
  let daemon = shop.startDaemon();
  await shop.run('A', `insert into item values (1, 'one'), (2, 'two')`);
  await shop.equal(20_000);

  // Held for long, from before the restart of the daemon on.
  const hold = (name: string, statements: string): Promise<void> =>
    shop.run('A', `begin; ${statements}; prepare transaction '${name}'`);
  await hold('kept', `insert into item values (100, 'kept'); update item set note = 'kept' where id = 1`);
  await hold('dropped', `insert into item values (101, 'dropped'); delete from item where id = 2`);

  const session = await shop.database('A').session('application');
  await together(3_000, [
    again(5, async (step) => {
      const id = 1000 + step;
      await session.script(
        sql`begin`,
        sql`insert into public.item values (${id}::int, 'prepared')`,
        sql`prepare transaction 'step'`,
      );
      await session.query(step % 5 === 4 ? sql`rollback prepared 'step'` : sql`commit prepared 'step'`);
    }),
    again(500, async () => {
      await daemon.stop();
      daemon = shop.startDaemon();
    }),
  ]);
  await shop.equal(20_000);
  const [count] = await session.query(sql`select count(*) as count from public.item where id >= 1000`);
  expect(Number(count?.['count'])).toBeGreaterThan(20);

  await server.stop('fast');
  await server.start();
  await shop.run('A', `commit prepared 'kept'`);
  await vi.waitFor(
    async () =>
      expect(await shop.rows('C', 'item')).toEqual(expect.arrayContaining(['(100,kept)', '(1,kept)'])),
    20_000,
  );
  await daemon.stop();
  await shop.run('A', `rollback prepared 'dropped'`);
  daemon = shop.startDaemon();
  await shop.run('A', `insert into item values (102, 'after')`);
  await shop.equal(20_000);
  for (const name of ['B', 'C']) {
    expect(await shop.rows(name, 'item')).toEqual(
      expect.arrayContaining(['(100,kept)', '(1,kept)', '(2,two)', '(102,after)']),
    );
    expect(await shop.rows(name, 'item')).not.toContain('(101,dropped)');
  }
});

test('does not fail where a daemon that was killed has left the triggers armed', async () => {
  await using server = await startServer({ settings: { fsync: 'off', max_prepared_transactions: '5' } });
  const shop = await createInstallation({
    roles: { A: 'source', B: 'target' },
    servers: { A: server },
    schema: 'create table item (id int primary key, note text)',
    tables: ['item'],
  });
  const session = await shop.database('A').session('application');
  await session.script(arm('tahr'));
  await shop.run('A', `begin; insert into item values (1, 'one'); prepare transaction 'x'`);
  await shop.run('A', `commit prepared 'x'`);
  shop.startDaemon();
  await shop.equal();
  expect(await shop.rows('B', 'item')).toEqual(['(1,one)']);
});
