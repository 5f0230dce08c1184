/** Several syncs over the same databases and tables, which know nothing of each other. */
import { setTimeout as wait } from 'node:timers/promises';
import { plainSync } from '../support/sync-definition.ts';
import { expect, test, vi } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { addDbGroup } from '../../src/control/dbgroup.ts';
import { getInstallation } from '../../src/control/installation.ts';
import { rememberRelations } from '../../src/control/relation.ts';
import { addRelGroup } from '../../src/control/relgroup.ts';
import { addSync } from '../../src/control/sync.ts';
import type { DatabaseName, Role } from '../../src/model/topology.ts';
import { createInstallation, install, type TestInstallation } from './installation.ts';

const schema =
  'create table items (id int primary key, name text); create table stock (id int primary key, n int)';

interface Another {
  readonly name: string;
  readonly roles: Readonly<Record<string, Role>>;
  readonly table: string;
}

const addAnother = (shop: TestInstallation, { name, roles, table }: Another): Promise<void> =>
  shop.store.transaction(async (db) => {
    await addDbGroup(
      db,
      name,
      Object.entries(roles).map(([database, role]) => ({ database, role })),
    );
    const relation = {
      kind: 'table',
      relation: { schema: 'public', name: table },
      foundIn: 'A' as DatabaseName,
    } as const;
    const relations = await rememberRelations(db, [relation]);
    await addRelGroup(
      db,
      name,
      relations.map(({ id }) => id),
    );
    const sync = await addSync(db, {
      name,
      relgroup: name,
      dbgroup: name,
      ...plainSync,
    });
    await install(sync, (await getInstallation(db)).id);
  });

const eventually = (check: () => Promise<void>): Promise<void> =>
  vi.waitFor(check, { timeout: 10_000, interval: 50 });

test('two syncs carry the same table to different targets, each with its own progress', async () => {
  const shop = await createInstallation({
    roles: { A: 'source', B: 'target', C: 'target' },
    schema,
    tables: ['items'],
  });
  await addAnother(shop, { name: 'again', roles: { A: 'source', C: 'target' }, table: 'items' });
  shop.startDaemon();
  await shop.run('A', `insert into items select n, 'one' from generate_series(1, 100) n`);
  await shop.equal();
  await shop.run('A', `update items set name = 'two' where id < 50; delete from items where id > 90`);
  await shop.equal();
});

test('a database can be the source of one sync and the target of another', async () => {
  const shop = await createInstallation({ roles: { A: 'source', B: 'target' }, schema, tables: ['items'] });
  await addAnother(shop, { name: 'back', roles: { B: 'source', A: 'target' }, table: 'stock' });
  shop.startDaemon();
  await shop.run('A', `insert into items values (1, 'from A')`);
  await shop.run('B', `insert into stock values (1, 10)`);
  await shop.equal();
  await eventually(async () => expect(await shop.rows('A', 'stock')).toEqual(['(1,10)']));
});

test('what a sync writes on a database is no change of that database for another sync', async () => {
  const shop = await createInstallation({ roles: { A: 'source', B: 'target' }, schema, tables: ['items'] });
  await addAnother(shop, { name: 'back', roles: { B: 'source', A: 'target' }, table: 'items' });
  const daemon = shop.startDaemon();
  await shop.run('A', `insert into items values (1, 'from A')`);
  await shop.equal();
  await shop.run('B', `insert into items values (2, 'from B')`);
  await shop.equal();
  await wait(1000);
  expect(daemon.log().match(/"message":"round done"/g)).toHaveLength(2);
});

test('a role that is refused for a while needs no operator', async () => {
  const shop = await createInstallation({ roles: { A: 'source', B: 'target' }, schema, tables: ['items'] });
  shop.startDaemon();
  await shop.eventually('B', { state: 'idle' });
  const { name } = shop.database('B');
  const administrator = await shop.control.session();
  await administrator.script(
    sql`alter database ${sql.id(name)} allow_connections false`,
    sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`,
  );
  await shop.run('A', `insert into items values (1, 'meanwhile')`);
  await shop.eventually('B', { state: 'waiting', waitingFor: 'database B' });
  await administrator.script(sql`alter database ${sql.id(name)} allow_connections true`);
  await shop.equal(20_000);
});
