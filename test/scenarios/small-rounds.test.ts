/** Rounds of few changes, whose rows are held on their way and go to the written database in one message with all that comes after them. */
import { expect, test } from 'vitest';
import { createGang } from '../support/gang.ts';

const tables = ['narrow', 'wide', 'last'];

const schema = tables.map((name) => `create table ${name} (id bigint primary key, note text)`).join(';');

const fill = (name: string, rowCount: number, length: number): string =>
  `insert into ${name} select i, repeat(md5(i::text), ${length / 32}) from generate_series(1, ${rowCount}) i`;

/** Of three tables; together with their keys, 64 KB are held. */
test.each([
  { what: 'all are held', rowCounts: [10, 1, 10], length: 32 },
  { what: 'the second is too large to be held beside the first', rowCounts: [10, 60, 10], length: 1024 },
  { what: 'nothing is left for the last', rowCounts: [1, 61, 10], length: 1024 },
  { what: 'one row alone is too large', rowCounts: [1, 1, 1], length: 3_200_000 },
])('rows arrive, are changed and deleted: $what', async ({ rowCounts, length }) => {
  for (const role of ['target', 'source'] as const) {
    await using gang = await createGang({ roles: { A: 'source', B: role }, schema, tables });
    for (const [index, name] of tables.entries())
      await gang.run('A', fill(name, rowCounts[index] ?? 0, length));
    expect(await gang.round('B')).toMatchObject({
      B: { kind: 'good', applied: { inserted: sum(rowCounts) } },
    });
    await gang.expectEqual();
    for (const name of tables) await gang.run('A', `update ${name} set note = note || 'x' where id > 1`);
    await gang.run('A', `delete from wide where id % 2 = 1; truncate last`);
    await gang.expectEqual();
  }
});

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

test('what a target refuses is told as it is told of many rows, and nothing of the round stays', async () => {
  await using gang = await createGang({ roles: { A: 'source', B: 'target' }, schema, tables });
  await gang.run('B', 'alter table wide add check (id < 5)');
  await gang.run('A', `${fill('narrow', 3, 32)}; ${fill('wide', 5, 32)}; ${fill('last', 3, 32)}`);
  const { B } = await gang.round('B');
  expect(B).toMatchObject({ kind: 'bad', error: { code: 'row_refused', facts: { table: 'wide' } } });
  expect(await gang.rows('B', 'narrow')).toEqual([]);
  await gang.run('B', 'alter table wide drop constraint wide_id_check');
  await gang.expectEqual();
});

test('unique values that change places between few rows arrive', async () => {
  await using gang = await createGang({
    roles: { A: 'source', B: 'target' },
    schema: 'create table places (id bigint primary key, place int unique)',
    tables: ['places'],
  });
  await gang.run('A', 'insert into places select i, i from generate_series(1, 3) i');
  await gang.expectEqual();
  await gang.run('A', 'update places set place = -place; update places set place = 4 + place');
  await gang.expectEqual();
});
