/** Rows that go to a target in other columns than the source has. */
import { describe, expect, test } from 'vitest';
import { createGang, type Gang } from '../support/gang.ts';

const people =
  'create table people (id int primary key, first text, last text, phone text, born date, pay numeric(8,2))';
const shown = 'create table people (phone text, id int primary key, name text, pay bigint)';

const list = `people.id, first || ' ' || last as name, left(phone, 3) || '…' as phone, -- not all of it
  round(pay)::bigint as pay`;

const gangOf = (
  columns: string,
  {
    roles = { A: 'source', T: 'target' },
    target = shown,
  }: {
    readonly roles?: Parameters<typeof createGang>[0]['roles'];
    readonly target?: string;
  } = {},
): Promise<Gang> =>
  createGang({
    roles,
    schema: '',
    seed: Object.fromEntries(Object.keys(roles).map((name) => [name, name === 'T' ? target : people])),
    tables: ['people'],
    customCols: { people: { T: columns } },
  });

const add = (id: number, last: string): string =>
  `insert into people values (${id}, 'Ann', '${last}', '555-1234', '2001-02-03', 10.50)`;

describe('other columns on a target', () => {
  test('are kept as rows come, change and go', async () => {
    await using gang = await gangOf(list);
    await gang.run('A', `${add(1, 'One')}; ${add(2, 'Two')}`);
    await gang.settle();
    expect(await gang.rows('T', 'people')).toEqual(['(555…,1,"Ann One",11)', '(555…,2,"Ann Two",11)']);
    await gang.run('A', `update people set last = 'New' where id = 1; delete from people where id = 2`);
    await gang.settle();
    expect(await gang.rows('T', 'people')).toEqual(['(555…,1,"Ann New",11)']);
    await gang.run('A', `update people set born = '1999-01-01'`);
    expect(await gang.round('T')).toMatchObject({ T: { kind: 'good', applied: { updated: 0 } } });
    await gang.run('A', `update people set id = 7; truncate people; ${add(3, 'Three')}`);
    await gang.settle();
    expect(await gang.rows('T', 'people')).toEqual(['(555…,3,"Ann Three",11)']);
  });

  test('hold for a copy, and where many rows go straight into an empty table', async () => {
    await using gang = await gangOf('id, last as name', {
      target: 'create table people (id int primary key, name text)',
    });
    await gang.run('A', `insert into people (id, last) select n, 'n' || n from generate_series(1, 12000) n`);
    await gang.round('T');
    expect(await gang.rows('T', 'people')).toHaveLength(12_000);
    await gang.run('T', `delete from people where id > 1; update people set name = 'wrong'`);
    await gang.run('A', 'delete from people where id > 3');
    await gang.update({ onetimecopy: 1, copyGeneration: 1 });
    await gang.settle();
    expect(await gang.rows('T', 'people')).toEqual(['(1,n1)', '(2,n2)', '(3,n3)']);
  });

  test('hold for rows of several sources, which give each other all of their columns', async () => {
    await using gang = await gangOf(list, { roles: { A: 'source', B: 'source', T: 'target' } });
    await gang.run('A', add(1, 'One'));
    await gang.settle();
    await gang.run('B', `update people set last = 'New', pay = 3`);
    await gang.settle();
    expect(await gang.rows('A', 'people')).toEqual(['(1,Ann,New,555-1234,2001-02-03,3.00)']);
    expect(await gang.rows('T', 'people')).toEqual(['(555…,1,"Ann New",3)']);
  });

  test('go together with a filter over columns that are not among them', async () => {
    await using gang = await createGang({
      roles: { A: 'source', T: 'target' },
      schema: '',
      seed: { A: people, T: 'create table people (id int primary key)' },
      tables: ['people'],
      customCols: { people: { T: 'id' } },
      filters: { people: { T: { where: `last <> 'One'` } } },
    });
    await gang.run('A', `${add(1, 'One')}; ${add(2, 'Two')}`);
    await gang.settle();
    expect(await gang.rows('T', 'people')).toEqual(['(2)']);
  });

  test('are read anew when the source alters its own', async () => {
    await using gang = await gangOf('id, last as name', {
      target: 'create table people (id int primary key, name text)',
    });
    await gang.run('A', add(1, 'One'));
    await gang.settle();
    await gang.run('A', `alter table people alter last type varchar(20); ${add(2, 'Two')}`);
    await gang.settle();
    expect(await gang.rows('T', 'people')).toEqual(['(1,One)', '(2,Two)']);
    await gang.run('A', `alter table people drop last; insert into people values (3)`);
    await expect(gang.round('T')).rejects.toMatchObject({ code: 'customcols_invalid' });
  });

  // Fails when columns are taken for the key that are only called so (npm run mutate).
  test.each([
    ['without the key', 'last as name', 'the column "id" of the key must be among them as it is'],
    ['with a key that is computed', 'id + 1 as id', 'the column "id" of the key must be among them as it is'],
    [
      'with another column as the key',
      'pay::int as id',
      'the column "id" of the key must be among them as it is',
    ],
    ['with a column twice', 'id, last as name, first as name', 'the column "name" is there twice'],
    ['with a column that there is not', 'id, colour', 'colour'],
    ['with a table', 'id from people', 'syntax'],
  ])('%s are refused, and nothing is installed', async (_, columns, text) => {
    const refused = gangOf(columns);
    await expect(refused).rejects.toMatchObject({ code: 'customcols_invalid', facts: { database: 'A' } });
    await expect(refused).rejects.toThrow(text);
  });

  test('that the target does not have, or not like that, are refused by their names', async () => {
    const target = 'create table people (id int primary key, name int)';
    await expect(gangOf('id, last as name', { target })).rejects.toMatchObject({
      code: 'schema_differs',
      facts: { database: 'T', column: 'name' },
    });
    await expect(gangOf('id, upper(last)', { target })).rejects.toMatchObject({
      code: 'schema_differs',
      facts: { database: 'T', column: 'upper' },
    });
  });
});
