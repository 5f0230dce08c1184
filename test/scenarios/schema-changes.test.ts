import { setTimeout as wait } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createGang } from '../support/gang.ts';

const roles = { A: 'source', B: 'target' } as const;
const schema = 'create table orders (id int primary key, note text)';

it('reads a table again that was rewritten between the snapshot and the rows, instead of deleting its rows', async () => {
  await using gang = await createGang({ roles, schema, tables: ['orders'] });
  await gang.run('A', `insert into orders values (1, 'one'), (2, 'two')`);
  await gang.settle();
  await gang.run('A', `update orders set note = note || '!'`);
  await gang.run('A', `begin; alter table orders alter note type varchar(100) using (note || '?')`);
  const round = gang.round('B').catch((error: unknown) => error);
  await wait(300);
  await gang.run('A', 'commit');
  expect(await round).toMatchObject({ code: 'table_altered' });
  expect(await gang.rows('B', 'orders')).toEqual(['(1,one)', '(2,two)']);
});

it('names the column that the target lacks, and goes on when it is there', async () => {
  await using gang = await createGang({ roles, schema, tables: ['orders'] });
  await gang.run(
    'A',
    `alter table orders add column price numeric; insert into orders values (1, 'one', 9.90)`,
  );
  expect(await gang.round('B')).toMatchObject({
    B: { kind: 'bad', error: { code: 'schema_differs', facts: { database: 'B', column: 'price' } } },
  });
  await gang.run('B', 'alter table orders add column price numeric');
  await gang.expectEqual();
  expect(await gang.rows('B', 'orders')).toEqual(['(1,one,9.90)']);
});

it('takes up a column that was dropped on both sides', async () => {
  await using gang = await createGang({ roles, schema, tables: ['orders'] });
  await gang.run('A', `insert into orders values (1, 'one')`);
  await gang.settle();
  for (const name of ['A', 'B'])
    await gang.run(name, 'alter table orders drop column note, add column extra int default 7');
  await gang.run('A', 'update orders set extra = 8');
  await gang.expectEqual();
});

it('leaves values that each database has computed itself for a new column, until one side writes them', async () => {
  await using gang = await createGang({ roles, schema, tables: ['orders'] });
  await gang.run('A', `insert into orders values (1, 'one'), (2, 'two')`);
  await gang.settle();
  for (const name of ['A', 'B'])
    await gang.run(name, 'alter table orders add column token uuid default gen_random_uuid()');
  await gang.settle();
  expect(await gang.rows('B', 'orders')).not.toEqual(await gang.rows('A', 'orders'));
  await gang.run('A', 'update orders set token = token');
  await gang.expectEqual();
});

it('does not take a new key for the one that is captured because their names look alike when joined', async () => {
  await using gang = await createGang({
    roles,
    schema:
      'create table t ("a,b" int not null, c int not null, a int not null, "b,c" int not null, primary key ("a,b", c))',
    tables: ['t'],
  });
  await gang.run('A', 'alter table t drop constraint t_pkey, add primary key (a, "b,c")');
  await gang.run('A', 'insert into t values (1, 2, 3, 4)');
  await expect(gang.round('B')).rejects.toThrow(/not captured under its present key/);
});

it('refuses a source that was copied by dump and restore, and says what it is', async () => {
  await using gang = await createGang({ roles, schema, tables: ['orders'] });
  await gang.run('A', 'update tahr.identity set incarnation = incarnation');
  await expect(gang.round('B')).rejects.toMatchObject({ code: 'position_lost' });
});
