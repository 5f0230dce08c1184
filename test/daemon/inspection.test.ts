/** A look at the next rounds while a daemon works, and one that is cut off. */
import { expect, test, vi } from 'vitest';
import { inspectSync } from '../../src/daemon/inspection.ts';
import { sql } from '../../src/pg/sql.ts';
import { createInstallation } from './installation.ts';

const shopOptions = {
  roles: { A: 'source', B: 'source', C: 'target' },
  schema: 'create table items (id int primary key, name text)',
  tables: ['items'],
} as const;

test('a daemon goes on without a failure while its sync is inspected', async () => {
  const shop = await createInstallation({ ...shopOptions, sync: { autokick: false } });
  const daemon = shop.startDaemon();
  await shop.eventually('A', { state: 'idle' });
  const { signal } = new AbortController();
  const inspect = () => inspectSync({ sync: shop.sync, schema: 'tahr', signal });
  for (let id = 1; id <= 5; id += 1) {
    await shop.run(id % 2 === 0 ? 'A' : 'B', `insert into items values (${id}, 'x')`);
    const target = { kind: 'planned', databases: [{ database: 'C', tables: [{ kind: 'rows' }] }] };
    expect(await inspect()).toMatchObject({ lanes: [{}, { outlook: target }], absent: [] });
    await Promise.all([inspect(), shop.kick()]);
  }
  await shop.equal();
  expect(await shop.rows('C', 'items')).toHaveLength(5);
  const levels = daemon.log().match(/"level":"(?:warn|error)"/g);
  expect(levels).toBeNull();
});

test('an inspection that takes long can be cut off', async () => {
  const shop = await createInstallation(shopOptions);
  await shop.run('A', `insert into items select n, 'x' from generate_series(1, 300000) n`);
  const cutting = new AbortController();
  const { signal } = cutting;
  const ended = inspectSync({ sync: shop.sync, schema: 'tahr', signal }).catch((error: unknown) => error);
  const observer = await shop.database('A').session();
  await vi.waitFor(
    async () =>
      expect(
        await observer.query(sql`
          select from pg_catalog.pg_stat_activity
           where datname = current_database() and state = 'active' and query ilike '%copy (%' and pid <> pg_backend_pid()`),
      ).not.toEqual([]),
    { timeout: 20_000, interval: 5 },
  );
  cutting.abort();
  expect(await ended).toMatchObject({ code: 'interrupted' });
});

test('an inspection does not wait for somebody who holds a table', async () => {
  const shop = await createInstallation(shopOptions);
  await shop.run('A', `insert into items values (1, 'x')`);
  await shop.run('A', 'begin; lock table items');
  const { signal } = new AbortController();
  const { lanes } = await inspectSync({ sync: shop.sync, schema: 'tahr', signal });
  const problems = lanes.map(({ outlook }) =>
    outlook.kind === 'planned'
      ? outlook.databases.flatMap(({ problem }) => problem?.code ?? [])
      : outlook.kind,
  );
  for (const found of problems) expect(found).toContain('given_way');
  await shop.run('A', 'commit');
});
