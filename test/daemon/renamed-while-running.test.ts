import { expect, test } from 'vitest';
import { addCustomName, listCustomNames, removeCustomName } from '../../src/control/customname.ts';
import type { DatabaseName } from '../../src/model/topology.ts';
import { createInstallation } from './installation.ts';

test('a name that a table gets on a target while the sync runs is taken up, and taken back', {
  timeout: 60_000,
}, async () => {
  const shop = await createInstallation({
    roles: { A: 'source', B: 'target' },
    schema:
      'create table item (id int primary key, note text); create table thing (id int primary key, note text)',
    tables: ['item'],
  });
  const arrives = async (table: string, row: string): Promise<void> => {
    await expect.poll(() => shop.rows('B', table), { timeout: 20_000, interval: 20 }).toContain(row);
  };
  shop.startDaemon();
  await shop.run('A', `insert into item values (1, 'before')`);
  await arrives('item', '(1,before)');
  const [relation] = shop.sync.relations;
  if (relation === undefined) throw new Error('the sync has no table');
  await shop.store.transaction((db) =>
    addCustomName(db, relation, {
      newName: { schema: 'public', name: 'thing' },
      database: 'B' as DatabaseName,
      sync: null,
    }),
  );
  await expect
    .poll(
      async () => {
        await shop.run('A', `insert into item select max(id) + 1, 'during' from item`);
        return (await shop.rows('B', 'thing')).length;
      },
      { timeout: 20_000, interval: 50 },
    )
    .toBeGreaterThan(0);
  await shop.run('A', `insert into item values (1000, 'after')`);
  await arrives('thing', '(1000,after)');
  expect(await shop.rows('B', 'item')).not.toContain('(1000,after)');
  const [name] = await shop.store.transaction(listCustomNames);
  await shop.store.transaction((db) => removeCustomName(db, name?.id ?? 0));
  await expect
    .poll(
      async () => {
        await shop.run('A', `insert into item select max(id) + 1, 'again' from item`);
        return (await shop.rows('B', 'item')).some((row) => row.includes('again'));
      },
      { timeout: 20_000, interval: 50 },
    )
    .toBe(true);
});
