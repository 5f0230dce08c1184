import { expect, test, vi } from 'vitest';
import { listConflicts } from '../../src/control/conflict-log.ts';
import { lastRounds } from '../../src/control/round.ts';
import { loadSyncDefinition } from '../../src/control/sync-definition.ts';
import { sql } from '../../src/pg/sql.ts';
import { createInstallation } from './installation.ts';

const items = 'create table items (id int primary key, name text); create sequence numbers';

test('one way: what is written on the source arrives on the target by itself', async () => {
  const shop = await createInstallation({
    roles: { A: 'source', B: 'target' },
    schema: items,
    tables: ['items'],
  });
  await shop.run('A', `insert into items select i, 'before' from generate_series(1, 10) i`);
  shop.startDaemon();
  await shop.equal();
  await shop.run('A', `update items set name = 'after' where id < 5; delete from items where id = 7`);
  await shop.equal();
  await shop.eventually('B', { state: 'idle', rowsBehind: 0, secondsBehind: 0, lastError: null });
  expect((await shop.state('B')).totals).toEqual({ inserted: 10, updated: 4, deleted: 1, conflicts: 0 });
  expect((await shop.state('B')).lastGoodAt).not.toBeNull();
  const rounds = await shop.store.transaction((db) => lastRounds(db, { syncId: shop.sync.id, limit: 10 }));
  expect(rounds.reduce((sum, { inserted }) => sum + inserted, 0)).toBe(10);
  expect(await shop.state('A')).toMatchObject({ state: 'idle' });
});

test('two ways with a target: changes on both sides arrive everywhere, and conflicts reach the log', async () => {
  const shop = await createInstallation({
    roles: { A: 'source', B: 'source', C: 'target' },
    schema: items,
    tables: ['items'],
  });
  await shop.run('A', `insert into items values (1, 'by A'), (10, 'only A')`);
  await shop.run('B', `insert into items values (1, 'by B'), (20, 'only B')`);
  shop.startDaemon();
  await shop.equal();
  expect(await shop.rows('C', 'items')).toEqual(['(1,"by B")', '(10,"only A")', '(20,"only B")']);
  await vi.waitFor(
    async () => {
      const conflicts = await shop.store.transaction((db) =>
        listConflicts(db, { syncId: shop.sync.id, limit: 10, isUndecided: false }),
      );
      expect(conflicts).toMatchObject([{ sync: 'shop', relation: 'items', winner: 'B' }]);
    },
    { timeout: 10_000 },
  );
});

test('a kick is answered when its round has ended', async () => {
  const shop = await createInstallation({
    roles: { A: 'source', B: 'target' },
    schema: items,
    tables: ['items'],
    sync: { autokick: false },
  });
  shop.startDaemon();
  await shop.eventually('B', { state: 'idle' });
  await shop.run('A', `insert into items values (1, 'one')`);
  expect(await shop.rows('B', 'items')).toEqual([]);
  expect(await shop.kick()).toEqual({ result: 'done' });
  expect(await shop.rows('B', 'items')).toEqual(['(1,one)']);
});

test('a sync without autokick runs by its checktime', async () => {
  const shop = await createInstallation({
    roles: { A: 'source', B: 'target' },
    schema: items,
    tables: ['items'],
    sync: { autokick: false, checktimeMs: 300 },
  });
  shop.startDaemon();
  await shop.eventually('B', { state: 'idle' });
  await shop.run('A', `insert into items values (1, 'one')`);
  await vi.waitFor(async () => expect(await shop.rows('B', 'items')).toEqual(['(1,one)']), 5_000);
});

test('a sequence is carried along although nothing tells of it', async () => {
  const shop = await createInstallation({
    roles: { A: 'source', B: 'target' },
    schema: items,
    tables: ['items'],
    sequences: ['numbers'],
  });
  shop.startDaemon();
  await shop.eventually('B', { state: 'idle' });
  await shop.run('A', `select setval('numbers', 4711)`);
  const session = await shop.database('B').session();
  await vi.waitFor(async () => {
    expect(await session.query(sql`select last_value from public.numbers`)).toEqual([{ last_value: '4711' }]);
  }, 10_000);
});

test.each([
  ['a target', { A: 'source', B: 'target', C: 'target' }] as const,
  ['a source and a target', { A: 'source', B: 'source', C: 'target' }] as const,
])('the initial copy fills %s, and is asked for only once', async (_, roles) => {
  const shop = await createInstallation({
    roles,
    schema: `${items}; insert into items select i, current_database() from generate_series(1, 100) i`,
    tables: ['items'],
    sync: { onetimecopy: 1 },
  });
  shop.startDaemon();
  await shop.equal();
  await vi.waitFor(async () => {
    const sync = await shop.store.transaction((db) => loadSyncDefinition(db, 'shop'));
    expect(sync).toMatchObject({ onetimecopy: 0, copyGeneration: 1 });
  }, 10_000);
  await shop.run('A', `update items set name = 'later' where id = 1`);
  await shop.equal();
});
