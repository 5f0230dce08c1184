/**
 * A publication FOR ALL TABLES has the tables of Tahr too, which its subscribers do not have.
 *
 * Seen to fail: without the check in `check-servers.ts` the sync is installed; without the look in `publication-watch.ts` nobody is told.
 */
import { expect, test, vi } from 'vitest';
import { getInstallation } from '../../src/control/installation.ts';
import { listNotices } from '../../src/control/notice.ts';
import { createInstallation, install } from './installation.ts';

test('that is there is refused, one that is made later is told of until it is gone, and replication goes on', async () => {
  const options = {
    roles: { A: 'source', B: 'source', C: 'target' },
    schema: 'create table item (id int primary key, note text)',
    tables: ['item'],
  } as const;
  await expect(
    createInstallation({
      ...options,
      schema: `${options.schema}; create publication everything for all tables`,
    }),
  ).rejects.toMatchObject({ code: 'publication_for_all_tables' });

  const shop = await createInstallation(options);
  shop.startDaemon();
  await shop.run('A', `insert into item values (1, 'one')`);
  await shop.equal();
  for (const name of ['A', 'C']) await shop.run(name, 'create publication everything for all tables');
  const told = (): Promise<string[]> =>
    shop.store.transaction(async (db) =>
      (await listNotices(db)).map(({ code, database }) => `${code} ${database}`).sort(),
    );
  await vi.waitFor(
    async () =>
      expect(await told()).toEqual(['publication_for_all_tables A', 'publication_for_all_tables C']),
    { timeout: 30_000, interval: 200 },
  );
  // The tables of Tahr all have what logical decoding asks of tables that are updated.
  await shop.run('A', `update item set note = 'A'; insert into item values (2, 'A')`);
  await shop.run('B', `update item set note = 'B'`);
  await shop.equal();
  await expect(install(shop.sync, (await shop.store.transaction(getInstallation)).id)).rejects.toMatchObject({
    code: 'publication_for_all_tables',
  });
  for (const name of ['A', 'C']) await shop.run(name, 'drop publication everything');
  await vi.waitFor(async () => expect(await told()).toEqual([]), { timeout: 30_000, interval: 200 });
});
