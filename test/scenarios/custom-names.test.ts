/** Relations that have another name on some of the databases: real rounds on real servers. */
import { describe, expect, test } from 'vitest';
import type { DatabaseId } from '../../src/model/topology.ts';
import { sql } from '../../src/pg/sql.ts';
import { createGang } from '../support/gang.ts';
import { put } from '../support/history.ts';

const things = { schema: 'archive', name: 'The things' };
const items = 'create table items (id bigint primary key, note text)';
const archive = `create schema archive; create table archive."The things" (note text, id bigint primary key)`;

const oneWay = () =>
  createGang({
    roles: { A: 'source', T: 'target' },
    schema: '',
    seed: { A: items, T: archive },
    tables: ['items'],
    customNames: { items: { T: things } },
  });

describe('a table with another name on the target', () => {
  test('receives changes, deletions and truncations under that name', async () => {
    await using gang = await oneWay();
    await gang.run('A', `${put(1, 'one')}; ${put(2, 'two')}`);
    await gang.settle();
    expect(await gang.rows('T', things)).toEqual(['(one,1)', '(two,2)']);
    await gang.run('A', `update items set note = 'new' where id = 1; delete from items where id = 2`);
    await gang.settle();
    expect(await gang.rows('T', things)).toEqual(['(new,1)']);
    await gang.run('A', `truncate items; ${put(3, 'three')}`);
    await gang.settle();
    expect(await gang.rows('T', things)).toEqual(['(three,3)']);
  });

  test('is filled by a copy', async () => {
    await using gang = await oneWay();
    await gang.run('T', `insert into archive."The things" values ('left over', 9)`);
    await gang.run('A', put(1, 'one'));
    await gang.update({ onetimecopy: 1, copyGeneration: 1 });
    await gang.settle();
    expect(await gang.rows('T', things)).toEqual(['(one,1)']);
  });

  test('is named as it is there when it is gone', async () => {
    await using gang = await oneWay();
    await gang.run('T', 'drop table archive."The things"');
    await gang.run('A', put(1, 'one'));
    await expect(gang.round('T')).rejects.toMatchObject({
      code: 'relation_missing',
      facts: { database: 'T', table: 'archive."The things"' },
    });
  });
});

test('between two sources, each with its own name, changes go both ways and conflicts are settled', async () => {
  await using gang = await createGang({
    roles: { A: 'source', B: 'source' },
    schema: '',
    seed: { A: items, B: archive },
    tables: ['items'],
    customNames: { items: { B: things } },
  });
  await gang.run('A', put(1, 'of A'));
  await gang.run('B', `insert into archive."The things" values ('of B', 2)`);
  await gang.settle();
  await gang.run('A', put(2, 'of A'));
  await gang.run('B', `update archive."The things" set note = 'later'`);
  await gang.settle();
  expect(await gang.rows('A', 'items')).toEqual(['(1,later)', '(2,later)']);
  expect(await gang.rows('B', things)).toEqual(['(later,1)', '(later,2)']);
  expect(await gang.conflicts('A')).toHaveLength(1);
});

const valueOf = async (gang: Awaited<ReturnType<typeof oneWay>>, name: string, sequence: string) => {
  const [row] = await gang.on(name).query(sql`select last_value from ${sql.id('public', sequence)}`);
  return Number(row?.['last_value']);
};

test('a sequence is brought forward under its name on each database', async () => {
  await using gang = await createGang({
    roles: { A: 'source', T: 'target' },
    schema: '',
    seed: { A: `${items}; create sequence numbers`, T: `${items}; create sequence counted` },
    tables: ['items'],
    sequences: ['numbers'],
    customNames: { numbers: { T: 'counted' } },
  });
  await gang.run('A', `select nextval('numbers') from generate_series(1, 7)`);
  await gang.settle();
  expect(await valueOf(gang, 'T', 'counted')).toBe(7);
});

test('sequences with other names are interleaved among their sources', async () => {
  await using gang = await createGang({
    roles: { A: 'source', B: 'source' },
    schema: '',
    seed: { A: `${items}; create sequence numbers`, B: `${items}; create sequence counted` },
    tables: ['items'],
    sequences: ['numbers'],
    customNames: { numbers: { B: 'counted' } },
    options: { sequence: 'interleave' },
  });
  const draw = async (name: string, sequence: string): Promise<number[]> =>
    (
      await gang
        .on(name)
        .query(sql`select nextval(${sequence}::regclass) as value from generate_series(1, 20)`)
    ).map((row) => Number(row['value']));
  const drawn = [...(await draw('A', 'numbers')), ...(await draw('B', 'counted'))];
  expect(new Set(drawn).size).toBe(40);
});

test('another name on a source is another table, whose changes are noted from then on', async () => {
  await using gang = await createGang({
    roles: { A: 'source', T: 'target' },
    schema: `${items}; ${items.replace('items', 'others')}`,
    tables: ['items'],
  });
  await gang.run('A', `${put(1, 'one')}; insert into others values (2, 'two')`);
  await gang.settle();
  const [a] = gang.sync.members;
  const customNames = [
    { database: a?.database.id as DatabaseId, relation: { schema: 'public', name: 'others' } },
  ];
  await gang.update({ relations: gang.sync.relations.map((relation) => ({ ...relation, customNames })) });
  await gang.run('A', `insert into others values (3, 'three')`);
  await gang.run('A', put(4, 'not noted any more'));
  await gang.settle();
  expect(await gang.rows('T', 'items')).toEqual(['(1,one)', '(3,three)']);
  await gang.update({ onetimecopy: 1, copyGeneration: 1 });
  await gang.settle();
  expect(await gang.rows('T', 'items')).toEqual(['(2,two)', '(3,three)']);
});
