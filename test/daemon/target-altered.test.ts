/** What changes on a written database while the daemon runs, with what it knows of the tables. */
import { expect, test } from 'vitest';
import { createInstallation } from './installation.ts';

const roles = { A: 'source', B: 'target' } as const;

test('composite attributes that change places on a target stop the sync before a value gets into the wrong one', async () => {
  const shop = await createInstallation({
    roles,
    schema: 'create type pair as (a int, b int); create table points (id int primary key, p pair)',
    tables: ['points'],
  });
  await shop.run('A', 'insert into points values (1, row(1, 2))');
  shop.startDaemon();
  await shop.equal();
  await shop.run(
    'B',
    'alter type pair rename attribute a to c; alter type pair rename attribute b to a; alter type pair rename attribute c to b',
  );
  await shop.run('A', 'insert into points values (2, row(3, 4))');
  await shop.eventually('B', { lastError: expect.objectContaining({ code: 'schema_differs' }) });
  expect(await shop.rows('B', 'points')).toEqual(['(1,"(1,2)")']);
});

test('a trigger that is made on a target and suppresses rows is noticed', async () => {
  const shop = await createInstallation({
    roles,
    schema: 'create table items (id int primary key, name text)',
    tables: ['items'],
  });
  await shop.run('A', `insert into items values (1, 'one')`);
  shop.startDaemon();
  await shop.equal();
  await shop.run(
    'B',
    `create function swallow() returns trigger language plpgsql as 'begin return null; end';
     create trigger swallows before insert on items for each row execute function swallow();
     alter table items enable always trigger swallows`,
  );
  await shop.run('A', `insert into items values (2, 'two')`);
  await shop.eventually('B', { lastError: expect.objectContaining({ code: 'row_refused_by_trigger' }) });
  await shop.run('B', 'drop trigger swallows on items');
  await shop.run('A', `insert into items values (3, 'three')`);
  await shop.equal(20_000);
});
