/** Rows of which both sides of a conflict are kept, column by column. */
import { describe, expect, it } from 'vitest';
import { setTimeout as wait } from 'node:timers/promises';
import { connect } from '../../src/pg/conninfo.ts';
import { sql } from '../../src/pg/sql.ts';
import type { MergeSpec } from '../../src/model/topology.ts';
import { type Dice, diceOf } from '../simulation/servers/dice.ts';
import { testSeed } from '../support/history.ts';
import { createGang, type Gang } from '../support/gang.ts';

const schema = `
  create table item (
    id integer primary key, name text, price numeric(10,2), stock integer not null default 0, data jsonb, tags text[]
  )`;
const spec: MergeSpec = { counters: ['stock'], objects: ['data'], sets: ['tags'] };

const createShop = async (names: readonly string[] = ['A', 'B']): Promise<Gang> => {
  const gang = await createGang({
    roles: Object.fromEntries(names.map((name) => [name, name === 'T' ? 'target' : 'source'] as const)),
    schema,
    tables: ['item'],
  });
  await gang.update({ relations: gang.sync.relations.map((relation) => ({ ...relation, merge: spec })) });
  await gang.run('A', `insert into item values (1, 'chair', 10, 5, '{"a": 1, "b": 1}', '{x,y}')`);
  await gang.settle();
  return gang;
};

const rowOn = async (gang: Gang, name: string): Promise<string | undefined> =>
  (await gang.rows(name, 'item'))[0];

const expectEverywhere = async (gang: Gang, row: string): Promise<void> => {
  await gang.expectEqual();
  expect(await rowOn(gang, 'A')).toBe(row);
};

describe('a row that two sources have changed', () => {
  // Fails when contents that contend are not merged.
  it('keeps both where they changed different columns', async () => {
    await using gang = await createShop();
    await gang.run('A', `update item set name = 'armchair'`);
    await gang.run('B', `update item set price = 12`);
    await expectEverywhere(gang, '(1,armchair,12.00,5,"{""a"": 1, ""b"": 1}","{x,y}")');
    expect(await gang.conflicts('A')).toMatchObject([{ strategy: 'merge', kind: 'update_origin_differs' }]);
  });

  it('has the later value of a column that both changed', async () => {
    await using gang = await createShop();
    await gang.run('B', `update item set name = 'stool', price = 1`);
    await gang.run('A', `update item set name = 'bench'`);
    await expectEverywhere(gang, '(1,bench,1.00,5,"{""a"": 1, ""b"": 1}","{x,y}")');
  });

  // Fails when two rows that look alike are taken for equal although they have come about in another way.
  it('adds up what both have added to a counter', async () => {
    await using gang = await createShop();
    await gang.run('A', `update item set stock = stock - 2; update item set stock = stock + 1`);
    await gang.run('B', `update item set stock = stock + 10`);
    await expectEverywhere(gang, '(1,chair,10.00,14,"{""a"": 1, ""b"": 1}","{x,y}")');
    await gang.run('A', `update item set stock = stock - 1`);
    await gang.run('B', `update item set stock = stock - 1`);
    await expectEverywhere(gang, '(1,chair,10.00,12,"{""a"": 1, ""b"": 1}","{x,y}")');
  });

  it('merges objects by their keys, and arrays as sets', async () => {
    await using gang = await createShop();
    await gang.run('A', `update item set data = data || '{"a": 2, "c": 3}', tags = '{x,y,z}'`);
    await gang.run('B', `update item set data = (data - 'b') || '{"d": 4}', tags = '{y,w}'`);
    await expectEverywhere(gang, '(1,chair,10.00,5,"{""a"": 2, ""c"": 3, ""d"": 4}","{w,y,z}")');
  });

  it('goes, or stays, by which was later, where one side has deleted it', async () => {
    await using gang = await createShop();
    await gang.run('A', `insert into item values (2, 'table', 1, 1, null, null)`);
    await gang.settle();
    await gang.run('A', `delete from item where id = 1; update item set name = 'desk' where id = 2`);
    await gang.run('B', `update item set name = 'kept' where id = 1; delete from item where id = 2`);
    await gang.expectEqual();
    expect(await gang.rows('A', 'item')).toEqual(['(1,kept,10.00,5,"{""a"": 1, ""b"": 1}","{x,y}")']);
  });

  it('has what an application adds in the middle of the round', async () => {
    await using gang = await createShop();
    await gang.run('A', `update item set stock = stock - 1`);
    await gang.run('B', `update item set stock = stock - 1`);
    const parameters =
      gang.sync.members.find(({ database }) => database.name === 'A')?.database.parameters ?? {};
    await using application = await connect(parameters, { label: 'A', applicationName: 'application' });
    const writing: Promise<unknown>[] = [];
    gang.at(async (point, { name }) => {
      if (point !== 'decided' || name !== 'A' || writing.length > 0) return;
      writing.push(application.query(sql`update public.item set stock = stock - 1`));
      await wait(200);
    });
    await gang.round();
    await Promise.all(writing);
    await gang.run('B', `update item set stock = stock - 1`);
    await expectEverywhere(gang, '(1,chair,10.00,1,"{""a"": 1, ""b"": 1}","{x,y}")');
  });
});

describe('tables of every kind', () => {
  const none: MergeSpec = { counters: [], objects: [], sets: [] };

  it.each([
    ['with a key of several columns, types without equality, and columns that the server fills', ''],
    ['that is partitioned', 'partition by list (a)'],
  ])('%s', async (_name, partitioned) => {
    await using gang = await createGang({
      roles: { A: 'source', B: 'source' },
      schema: `
        create domain positive as integer check (value > 0);
        create table odd (
          a integer, "b B" text, number integer generated always as identity, twice integer generated always as (a * 2) stored,
          doc json, place point, amount positive, many integer[], primary key ("b B", a)
        ) ${partitioned};
        ${partitioned === '' ? '' : 'create table odd_1 partition of odd for values in (1)'}`,
      tables: ['odd'],
    });
    await gang.update({
      relations: gang.sync.relations.map((relation) => ({
        ...relation,
        merge: { ...none, sets: ['many'] },
      })),
    });
    await gang.run(
      'A',
      `insert into odd (a, "b B", doc, place, amount, many) values (1, 'x y', '{"a": 1}', '(1,2)', 1, '{3,1}')`,
    );
    await gang.settle();
    await gang.run('A', `update odd set doc = '{"b":  2}', amount = 5, many = '{3,1,10}'`);
    await gang.run('B', `update odd set place = '(3,4)', many = '{1}'`);
    await gang.expectEqual();
    const rows = await gang.rows('A', 'odd');
    expect(rows).toEqual(['(1,"x y",1,2,"{""b"":  2}","(3,4)",5,"{1,10}")']);
  });
});

describe('with more databases', () => {
  it('three sources and a target end equal, whatever the order', async () => {
    await using gang = await createShop(['A', 'B', 'C', 'T']);
    await gang.run('A', `update item set stock = stock + 1, name = 'a'`);
    await gang.run('B', `update item set stock = stock + 10, price = 20`);
    await gang.run('C', `update item set stock = stock + 100, tags = '{x,y,c}'`);
    await gang.roundOf(['A', 'B']);
    await gang.round('T');
    await expectEverywhere(gang, '(1,a,20.00,116,"{""a"": 1, ""b"": 1}","{c,x,y}")');
    expect(await rowOn(gang, 'T')).toBe(await rowOn(gang, 'A'));
  });

  // Fails when what was merged is no change that goes to the others.
  it('what two have merged with the same version and something else is merged again', async () => {
    await using gang = await createShop(['A', 'B', 'C']);
    await gang.run('A', `update item set name = 'a'`);
    await gang.run('C', `update item set tags = '{x,y,c}'`);
    await gang.run('B', `update item set price = 20`);
    await gang.roundOf(['B', 'C'], ['C']);
    await gang.roundOf(['A', 'B'], ['B']);
    await gang.roundOf(['B', 'C']);
    await expectEverywhere(gang, '(1,a,20.00,5,"{""a"": 1, ""b"": 1}","{c,x,y}")');
  });
});

describe('random histories', () => {
  const sources = ['A', 'B', 'C'] as const;

  /** An application's statement on one of the rows. */
  const change = (
    dice: Dice,
    id: number,
    step: number,
  ): { statement: string; added: number; name: string | null } => {
    const none = { added: 0, name: null };
    const key = dice.pick(['p', 'q', 'r']);
    switch (dice.below(6)) {
      case 0:
        return { ...none, statement: `update item set name = 'n${step}' where id = ${id}`, name: `n${step}` };
      case 1: {
        const added = dice.below(9) - 4;
        return { ...none, statement: `update item set stock = stock + ${added} where id = ${id}`, added };
      }
      case 2:
        return {
          ...none,
          statement: `update item set data = data || '{"${key}": ${step}}' where id = ${id}`,
        };
      case 3:
        return { ...none, statement: `update item set data = data - '${key}' where id = ${id}` };
      case 4:
        return {
          ...none,
          statement: `update item set tags = array_append(array_remove(tags, '${key}'), '${key}') where id = ${id}`,
        };
      default:
        return { ...none, statement: `update item set tags = array_remove(tags, '${key}') where id = ${id}` };
    }
  };

  /** Now and then, some of the sources being away, and of the others some failing to commit. */
  const mayRound = async (gang: Gang, dice: Dice): Promise<void> => {
    if (dice.chance(0.4)) {
      const absent = dice.pick([...sources, null]);
      const present = sources.filter((source) => source !== absent);
      const written = dice.some(present, 0.6);
      await gang.roundOf(present, written.length === 0 ? present : written);
    }
    if (dice.chance(0.15)) await gang.round('T');
  };

  const seeds = [0, 1, 2].map((step) => testSeed() + step);

  it.each(seeds)(
    'end equal, with all that was added and the last value of each column: seed %i',
    async (seed) => {
      const dice = diceOf(seed);
      await using gang = await createShop(['A', 'B', 'C', 'T']);
      await gang.run(
        'A',
        `insert into item values (2, 'table', 1, 0, '{}', '{}'), (3, 'lamp', 1, 0, '{}', '{}')`,
      );
      await gang.settle();
      const expected = new Map(
        [1, 2, 3].map((id) => [
          id,
          { stock: id === 1 ? 5 : 0, name: ['chair', 'table', 'lamp'][id - 1] ?? '' },
        ]),
      );
      for (let step = 0; step < 60; step += 1) {
        const id = 1 + dice.below(3);
        const { statement, added, name } = change(dice, id, step);
        const row = expected.get(id) ?? { stock: 0, name: '' };
        expected.set(id, { stock: row.stock + added, name: name ?? row.name });
        await gang.run(dice.pick(sources), statement);
        await mayRound(gang, dice);
      }
      await gang.expectEqual();
      const rows = await gang.on('A').query(sql`select id, name, stock from public.item order by id`);
      expect(rows.map(({ id, name, stock }) => [Number(id), { stock: Number(stock), name }])).toEqual([
        ...expected,
      ]);
    },
  );

  it.each(seeds)('end equal also where rows come and go and change their keys: seed %i', async (seed) => {
    const dice = diceOf(seed);
    await using gang = await createShop(['A', 'B', 'C', 'T']);
    for (let step = 0; step < 60; step += 1) {
      const id = 1 + dice.below(4);
      const statement = dice.pick([
        () => change(dice, id, step).statement,
        () => change(dice, id, step).statement,
        () => `insert into item values (${id}, 'new ${step}', 1, ${step}, '{}', '{}') on conflict do nothing`,
        () => `delete from item where id = ${id}`,
        () => `update item set id = ${10 + step} where id = ${id}`,
      ])();
      await gang.run(dice.pick(sources), statement);
      await mayRound(gang, dice);
    }
    await gang.expectEqual();
  });
});
