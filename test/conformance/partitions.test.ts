/** Partitioned tables and inheritance trees, which statement triggers do not see whole. */
import { describe, expect, it, vi } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createGang, type Gang } from '../support/gang.ts';

// Many statements on several databases: they take long where other tests run beside them.
vi.setConfig({ testTimeout: 180_000 });

const oneWay = { A: 'source', B: 'target' } as const;
const twoWay = { A: 'source', B: 'source', C: 'target' } as const;

const partitioned = `
  create table by_range (id int, day date, note text, primary key (id, day)) partition by range (day);
  create table by_range_2023 partition of by_range for values from ('2023-01-01') to ('2024-01-01') partition by hash (id);
  create table by_range_2023_0 partition of by_range_2023 for values with (modulus 2, remainder 0);
  create table by_range_2023_1 partition of by_range_2023 for values with (modulus 2, remainder 1);
  create table by_range_2024 (note text, gone int, day date not null, id int not null);
  alter table by_range_2024 drop column gone;
  alter table by_range attach partition by_range_2024 for values from ('2024-01-01') to ('2025-01-01');
  create table by_range_rest partition of by_range default;
  create table by_list (id int, place text, primary key (id, place)) partition by list (place);
  create table by_list_a partition of by_list for values in ('a', 'b');
  create table by_list_rest partition of by_list default;
  create table by_hash (id int primary key, note text) partition by hash (id);
  create table by_hash_0 partition of by_hash for values with (modulus 2, remainder 0);
  create table by_hash_1 partition of by_hash for values with (modulus 2, remainder 1);`;

const plain = `
  create table by_range (note text, day date, id int, primary key (id, day));
  create table by_list (id int, place text, primary key (id, place));
  create table by_hash (id int primary key, note text);`;

const tables = ['by_range', 'by_list', 'by_hash'];

const fill = `
  insert into by_range select n, date '2022-12-01' + n * 30, 'n' || n from generate_series(1, 30) n;
  insert into by_list select n, substr('abc', n % 3 + 1, 1) from generate_series(1, 30) n;
  insert into by_hash select n, 'n' || n from generate_series(1, 30) n;`;

/** Through the root, directly into partitions, and from one partition to another. */
const change = `
  insert into by_range_2024 (id, day, note) values (100, '2024-05-05', 'direct');
  update by_range_2023_0 set note = 'direct';
  delete from by_range_2024 where id = 15;
  update by_range set day = day + 365 where id < 5;
  update by_list set place = 'z' where id < 5;
  delete from by_list_a where id > 25;
  insert into by_hash values (31, 'new') on conflict (id) do update set note = 'again';
  update by_hash set id = id + 100 where id < 10;`;

describe('partitioned tables', () => {
  it.each([
    ['from partitioned to partitioned, one way', oneWay, partitioned, partitioned],
    ['from partitioned to plain', oneWay, partitioned, plain],
  ] as const)('follow changes of the root, of partitions, and between them: %s', async (_, roles, a, b) => {
    await using gang = await createGang({ roles, schema: '', seed: { A: a, B: b }, tables });
    await gang.run('A', fill);
    await gang.settle();
    await gang.run('A', change);
    await gang.settle();
    for (const table of tables)
      expect(await sorted(gang, 'B', table)).toEqual(await sorted(gang, 'A', table));
    expect((await sorted(gang, 'B', 'by_range')).length).toBe(30);
  });

  it('follow changes of a plain source', async () => {
    await using gang = await createGang({
      roles: oneWay,
      schema: '',
      seed: { A: plain, B: partitioned },
      tables,
    });
    await gang.run(
      'A',
      `insert into by_range (id, day, note) values (1, '2023-05-05', 'x'), (2, '2030-01-01', 'y'); insert into by_hash values (1, 'x')`,
    );
    await gang.settle();
    await gang.run(
      'A',
      `update by_range set day = '2024-05-05', note = 'moved' where id = 1; update by_hash set note = 'z'`,
    );
    await gang.settle();
    for (const table of ['by_range', 'by_hash'])
      expect(await sorted(gang, 'B', table)).toEqual(await sorted(gang, 'A', table));
  });

  it('are replicated both ways, also between a partitioned and a plain table', async () => {
    await using gang = await createGang({
      roles: twoWay,
      schema: '',
      seed: { A: partitioned, B: plain, C: partitioned },
      tables,
    });
    await gang.run(
      'B',
      fill.replace('select n, date', `select 'n' || n, date`).replace(`n * 30, 'n' || n`, `n * 30, n`),
    );
    await gang.settle();
    await gang.run('A', change);
    await gang.run('B', `update by_hash set note = 'B' where id = 20; delete from by_range where id = 20`);
    await gang.settle();
    for (const table of tables)
      for (const other of ['B', 'C'])
        expect(await sorted(gang, other, table), `${table} on ${other}`).toEqual(
          await sorted(gang, 'A', table),
        );
    expect((await sorted(gang, 'C', 'by_range')).length).toBe(29);
  });

  it.each([
    ['one way', oneWay],
    ['both ways', twoWay],
  ] as const)('follow the truncation of a partition and of the whole, %s', async (_, roles) => {
    await using gang = await createGang({ roles, schema: partitioned, tables });
    await gang.run('A', fill);
    await gang.expectEqual();
    const before = (await gang.rows('B', 'by_range')).length;
    await gang.run('A', `truncate by_range_2023; truncate by_list_a`);
    await gang.expectEqual();
    const after = (await gang.rows('B', 'by_range')).length;
    expect(after).toBeLessThan(before);
    expect(after).toBeGreaterThan(0);
    expect(await gang.rows('B', 'by_list')).toHaveLength(10);
    await gang.run('A', `truncate by_range; insert into by_range values (1, '2024-01-01', 'after')`);
    await gang.expectEqual();
    expect(await gang.rows('B', 'by_range')).toEqual(['(1,2024-01-01,after)']);
  });

  it('can be replicated partition by partition', async () => {
    await using gang = await createGang({ roles: twoWay, schema: partitioned, tables: ['by_range_2024'] });
    await gang.run(
      'A',
      `insert into by_range select n, date '2024-01-01' + n, 'n' || n from generate_series(1, 30) n`,
    );
    await gang.settle();
    await gang.run(
      'B',
      `update by_range set note = 'B' where id = 3; delete from by_range_2024 where id = 4; update by_range set day = '2023-06-06' where id = 5`,
    );
    await gang.expectEqual();
    expect(await gang.rows('C', 'by_range_2024')).toHaveLength(28);
  });

  it('take in a partition that is made later, and the rows that are written directly to it', async () => {
    await using gang = await createGang({ roles: twoWay, schema: partitioned, tables });
    await gang.run('A', fill);
    await gang.expectEqual();
    const later = `create table by_range_2030 partition of by_range for values from ('2030-01-01') to ('2031-01-01')`;
    for (const name of ['A', 'B', 'C']) await gang.run(name, later);
    await gang.run('A', `insert into by_range_2030 values (1, '2030-05-05', 'A')`);
    await gang.run('B', `insert into by_range_2030 values (2, '2030-05-05', 'B')`);
    await gang.expectEqual();
    expect(await gang.rows('C', 'by_range_2030')).toEqual(['(1,2030-05-05,A)', '(2,2030-05-05,B)']);
  });

  it('are copied whole', async () => {
    await using gang = await createGang({
      roles: { A: 'source', B: 'target', C: 'target' },
      schema: '',
      seed: {
        A: partitioned + fill,
        B: partitioned,
        C: `${partitioned}; insert into by_hash values (1, 'old'), (1000, 'gone')`,
      },
      tables,
      options: { onetimecopy: 1, copyGeneration: 1 },
    });
    await gang.expectEqual();
    expect(await gang.rows('C', 'by_hash')).toHaveLength(30);
  });
});

describe('inheritance trees', () => {
  const tree = `
    create table parent (id int primary key, note text);
    create table child (extra text, primary key (id)) inherits (parent);
    create table grandchild (primary key (id)) inherits (child);`;

  it.each([
    ['one way', oneWay, 'A'],
    ['both ways', twoWay, 'B'],
  ] as const)('keep each row in the table that it belongs to, %s', async (_, roles, other) => {
    await using gang = await createGang({ roles, schema: tree, tables: ['parent', 'child', 'grandchild'] });
    await gang.run(
      'A',
      `insert into parent values (1, 'p'), (2, 'p'); insert into child values (3, 'c', 'x'), (4, 'c', 'y'); insert into grandchild values (5, 'g', 'z')`,
    );
    await gang.expectEqual();
    await gang.run(
      other,
      `update parent set note = 'through the root' where id in (1, 3, 5); delete from parent where id = 4; update only parent set note = 'only' where id = 2`,
    );
    await gang.expectEqual();
    expect(await gang.rows('B', 'grandchild')).toEqual(['(5,"through the root",z)']);
    expect(await gang.rows('B', 'parent')).toHaveLength(4);
    await gang.run('A', `truncate only parent`);
    await gang.expectEqual();
    expect(await gang.rows('B', 'parent')).toHaveLength(2);
    await gang.run('A', `truncate parent`);
    await gang.expectEqual();
    expect(await gang.rows('B', 'parent')).toEqual([]);
  });
});

/** As JSON with sorted names, for the columns of the two sides stand in another order. */
const sorted = async (gang: Gang, name: string, table: string): Promise<string[]> => {
  const rows = await gang
    .on(name)
    .query(sql`select to_jsonb(t)::text as row from ${sql.id('public', table)} t order by 1`);
  return rows.map(({ row }) => row ?? '');
};
