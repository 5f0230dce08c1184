/** Filters: which rows go to a target, and what is done with them there. */
import { describe, expect, test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import type { Filter } from '../../src/model/topology.ts';
import { createGang, type Gang } from '../support/gang.ts';

const schema = 'create table items (id bigint primary key, region text, note text)';

const gangOf = (
  filters: Readonly<Record<string, Partial<Filter>>>,
  roles: Parameters<typeof createGang>[0]['roles'] = { A: 'source', T: 'target' },
): Promise<Gang> => createGang({ roles, schema, tables: ['items'], filters: { items: filters } });

const add = (id: number, region: string): string => `insert into items values (${id}, '${region}', 'new')`;

describe('a condition', () => {
  const inEurope = { T: { where: `items.region = 'EU' -- and nowhere else` } };

  test('lets rows in and takes them out again as they change', async () => {
    await using gang = await gangOf(inEurope);
    await gang.run('A', `${add(1, 'EU')}; ${add(2, 'US')}; ${add(3, 'EU')}`);
    await gang.settle();
    expect(await gang.rows('T', 'items')).toEqual(['(1,EU,new)', '(3,EU,new)']);
    await gang.run('A', `update items set region = case id when 1 then 'US' else 'EU' end`);
    await gang.settle();
    expect(await gang.rows('T', 'items')).toEqual(['(2,EU,new)', '(3,EU,new)']);
    await gang.run('A', `delete from items where id = 2; update items set note = 'old' where id = 3`);
    await gang.settle();
    expect(await gang.rows('T', 'items')).toEqual(['(3,EU,old)']);
    await gang.run('A', `truncate items; ${add(4, 'US')}; ${add(5, 'EU')}`);
    await gang.settle();
    expect(await gang.rows('T', 'items')).toEqual(['(5,EU,new)']);
  });

  test('holds for a copy, which takes away what it leaves out', async () => {
    await using gang = await gangOf(inEurope);
    await gang.run('T', `${add(1, 'US')}; ${add(9, 'EU')}`);
    await gang.run('A', `${add(1, 'US')}; ${add(2, 'EU')}`);
    await gang.update({ onetimecopy: 1, copyGeneration: 1 });
    await gang.settle();
    expect(await gang.rows('T', 'items')).toEqual(['(2,EU,new)']);
  });

  test('holds where many rows go straight into an empty table, and for each of two targets that read together', async () => {
    await using gang = await gangOf(
      { T: { where: 'id % 2 = 0' }, U: { where: 'id > 19000' } },
      { A: 'source', T: 'target', U: 'target' },
    );
    gang.readTogether();
    await gang.run('A', `insert into items select n, 'EU', 'new' from generate_series(1, 20000) n`);
    await Promise.all([gang.round('T'), gang.round('U')]);
    const countOn = async (name: string): Promise<unknown> =>
      (await gang.on(name).query(sql`select count(*), min(id), max(id) from items`))[0];
    expect(await countOn('T')).toEqual({ count: '10000', min: '2', max: '20000' });
    expect(await countOn('U')).toEqual({ count: '1000', min: '19001', max: '20000' });
  });

  test('holds for rows of several sources, and conflicts are settled as without it', async () => {
    await using gang = await gangOf(inEurope, { A: 'source', B: 'source', T: 'target' });
    await gang.run('A', `${add(1, 'EU')}; ${add(2, 'EU')}`);
    await gang.settle();
    await gang.run('A', `update items set note = 'of A'`);
    await gang.run(
      'B',
      `update items set region = 'US' where id = 1; update items set note = 'of B' where id = 2`,
    );
    await gang.settle();
    expect(await gang.rows('B', 'items')).toEqual(['(1,US,new)', '(2,EU,"of B")']);
    expect(await gang.rows('A', 'items')).toEqual(await gang.rows('B', 'items'));
    expect(await gang.rows('T', 'items')).toEqual(['(2,EU,"of B")']);
  });

  test.each([
    ['a column that there is not', 'colour = 1'],
    ['no condition', 'id'],
    ['several statements', 'true); delete from items; select (true'],
  ])('with %s is refused, and nothing is installed', async (_, where) => {
    await expect(gangOf({ T: { where } })).rejects.toMatchObject({
      code: 'filter_invalid',
      facts: { database: 'A', relation: 'public.items' },
    });
  });
});

describe('operations', () => {
  test('without deletions: rows stay that are deleted or truncated, and change as ever', async () => {
    await using gang = await gangOf({ T: { operations: ['insert', 'update'] } });
    await gang.run('A', `${add(1, 'EU')}; ${add(2, 'EU')}; ${add(3, 'EU')}`);
    await gang.settle();
    await gang.run('A', `delete from items where id = 1; update items set note = 'old' where id = 2`);
    const outcome = (await gang.round('T'))['T'];
    expect(outcome).toMatchObject({ kind: 'good', applied: { inserted: 0, updated: 1, deleted: 0 } });
    await gang.run('A', `truncate items; ${add(4, 'EU')}`);
    await gang.settle();
    expect(await gang.rows('T', 'items')).toEqual(['(1,EU,new)', '(2,EU,old)', '(3,EU,new)', '(4,EU,new)']);
  });

  test('insertions only: a row stays as it came first', async () => {
    await using gang = await gangOf({ T: { operations: ['insert'] } });
    await gang.run('A', add(1, 'EU'));
    await gang.settle();
    await gang.run('A', `update items set note = 'old'; ${add(2, 'EU')}`);
    await gang.settle();
    expect(await gang.rows('T', 'items')).toEqual(['(1,EU,new)', '(2,EU,new)']);
  });

  test('changes only: nothing comes to be there that was not', async () => {
    await using gang = await gangOf({ T: { operations: ['update', 'delete'] } });
    await gang.run('T', `${add(1, 'EU')}; ${add(2, 'EU')}`);
    await gang.run('A', `${add(1, 'US')}; ${add(2, 'EU')}; ${add(3, 'EU')}; delete from items where id = 2`);
    await gang.settle();
    expect(await gang.rows('T', 'items')).toEqual(['(1,US,new)']);
    await gang.run('A', `insert into items select n, 'EU', 'new' from generate_series(10, 20000) n`);
    await gang.run('T', 'delete from items');
    await gang.settle();
    expect(await gang.rows('T', 'items')).toEqual([]);
  });

  test('a preview counts what is really done', async () => {
    await using gang = await gangOf({ T: { operations: ['insert'], where: `region = 'EU'` } });
    await gang.run('A', `${add(1, 'EU')}; ${add(2, 'US')}`);
    await gang.settle();
    await gang.run('A', `update items set note = 'old'; ${add(3, 'EU')}; ${add(4, 'US')}`);
    expect(await gang.preview('T')).toMatchObject([
      { database: 'T', tables: [{ bySource: [{ inserted: 1, updated: 0, deleted: 0 }] }] },
    ]);
  });
});
