/** Counters that applications on all sources change at once, while a daemon replicates: nothing that was added is lost, and nothing counts twice. */
import { expect, test, vi } from 'vitest';
import { updateRelation } from '../../src/control/relation.ts';
import { getInstallation } from '../../src/control/installation.ts';
import { loadSyncDefinition } from '../../src/control/sync-definition.ts';
import { connect } from '../../src/pg/conninfo.ts';
import { sql } from '../../src/pg/sql.ts';
import { createInstallation, install, type TestInstallation } from './installation.ts';

vi.setConfig({ testTimeout: 120_000 });

const rows = 3;
const changesEach = 120;

/** @returns what was added */
const count = async (shop: TestInstallation, name: string, seed: number): Promise<number> => {
  await using session = await connect(shop.database(name).parameters, {
    label: name,
    applicationName: 'application',
  });
  let added = 0;
  for (let step = 0; step < changesEach; step += 1) {
    const amount = ((step * 7 + seed) % 9) - 3;
    await session.query(
      sql`update public.item set stock = stock + ${amount}, note = ${`${name}${step}`} where id = ${1 + ((step + seed) % rows)}`,
    );
    added += amount;
  }
  return added;
};

test('two sources and two applications on each', async () => {
  const shop = await createInstallation({
    roles: { A: 'source', B: 'source', C: 'target' },
    schema: 'create table item (id integer primary key, stock integer not null, note text)',
    tables: ['item'],
  });
  const [relation] = shop.sync.relations;
  if (relation === undefined) throw new Error('no table');
  await shop.store.transaction((db) => updateRelation(db, relation.id, { merge: true, counters: ['stock'] }));
  const [sync, { id }] = await shop.store.transaction(async (db) => [
    await loadSyncDefinition(db, 'shop'),
    await getInstallation(db),
  ]);
  await install(sync, id);
  await shop.run('A', `insert into item select n, 1000, '' from generate_series(1, ${rows}) n`);
  shop.startDaemon();
  await shop.equal();
  const added = await Promise.all([
    count(shop, 'A', 1),
    count(shop, 'A', 2),
    count(shop, 'B', 3),
    count(shop, 'B', 4),
  ]);
  await shop.equal(60_000);
  const session = await shop.database('B').session();
  const [row] = await session.query(sql`select sum(stock) as total from public.item`);
  expect(Number(row?.['total'])).toBe(rows * 1000 + added.reduce((sum, amount) => sum + amount, 0));
});
