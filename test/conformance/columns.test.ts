/** Tables whose columns differ between the databases, or are not ordinary columns. */
import { describe, expect, it } from 'vitest';
import { createGang } from '../support/gang.ts';

const oneWay = { A: 'source', B: 'target' } as const;
const twoWay = { A: 'source', B: 'source', C: 'target' } as const;

describe('a target that differs', () => {
  it('takes columns in another order, its own columns with defaults, wider types, and ignores dropped ones', async () => {
    await using gang = await createGang({
      roles: oneWay,
      schema: '',
      seed: {
        A: `create table t (gone int, id int primary key, small smallint, code varchar(8), note text, list int[]);
            alter table t drop column gone`,
        B: `create table t (extra text default 'from B', list int[], note text, gone text, at timestamptz not null default 'epoch', code text,
              id bigint primary key, small bigint, own bigint generated always as identity);
            alter table t drop column gone`,
      },
      tables: ['t'],
    });
    await gang.run('A', `insert into t values (1, 2, 'x  ', 'new', '{1,2}'), (2, -3, 'y', null, '{}')`);
    await gang.settle();
    expect(await gang.rows('B', 't')).toEqual([
      '("from B","{1,2}",new,"1970-01-01 00:00:00+00","x  ",1,2,1)',
      '("from B",{},,"1970-01-01 00:00:00+00",y,2,-3,2)',
    ]);
    await gang.run('B', `update t set extra = 'kept'`);
    await gang.run('A', `update t set note = 'changed' where id = 1; delete from t where id = 2`);
    await gang.settle();
    expect(await gang.rows('B', 't')).toEqual([
      '(kept,"{1,2}",changed,"1970-01-01 00:00:00+00","x  ",1,2,1)',
    ]);
  });

  it('copies into such a table as well', async () => {
    await using gang = await createGang({
      roles: oneWay,
      schema: '',
      seed: {
        A: `create table t (id int primary key, note varchar(5), amount numeric(8,2)); insert into t values (1, 'x', 1.5)`,
        B: `create table t (amount numeric(10,2), extra int default 7, note text, id bigint primary key)`,
      },
      tables: ['t'],
      options: { onetimecopy: 1, copyGeneration: 1 },
    });
    await gang.settle();
    expect(await gang.rows('B', 't')).toEqual(['(1.50,7,x,1)']);
  });

  it('is refused by name where a column is missing or too narrow', async () => {
    const refused = createGang({
      roles: oneWay,
      schema: '',
      seed: {
        A: 'create table t (id int primary key, wide bigint, missing text)',
        B: 'create table t (id int primary key, wide int)',
      },
      tables: ['t'],
    });
    await expect(refused).rejects.toMatchObject({ code: 'schema_differs' });
    await expect(refused).rejects.toThrow(/"wide"[^]*"missing"/);
  });
});

describe('composite types that differ', () => {
  const table = 'create table t (id int primary key, value wrapped[])';
  const typesWith = (attributes: string): string =>
    `create type pair as (${attributes}); create domain checked as pair; create type wrapped as (c checked); ${table}`;

  it.each([
    [
      'stand in another order',
      'b text, a text',
      /attribute 1 of the type public\.pair is "b" text and not "a" text/,
    ],
    [
      'have other modifiers',
      'a text, b varchar(3)',
      /public\.pair is "b" character varying\(3\) and not "b" text/,
    ],
    ['are fewer', 'a text', /attribute 2 of the type public\.pair is nothing and not "b" text/],
    [
      'are more',
      'a text, b text, c int',
      /attribute 3 of the type public\.pair is "c" integer and not nothing/,
    ],
  ])('are refused by name where attributes %s, however deep', async (_, attributes, sentence) => {
    const refused = createGang({
      roles: oneWay,
      schema: '',
      seed: { A: typesWith('a text, b text'), B: typesWith(attributes) },
      tables: ['t'],
    });
    await expect(refused).rejects.toMatchObject({ code: 'schema_differs', facts: { column: 'value' } });
    await expect(refused).rejects.toThrow(sentence);
  });

  it('are noticed while the sync runs, and attributes that fit again are sent', async () => {
    await using gang = await createGang({
      roles: oneWay,
      schema: typesWith('a text, b text'),
      tables: ['t'],
    });
    const swap = `alter type pair rename attribute a to c; alter type pair rename attribute b to a; alter type pair rename attribute c to b`;
    await gang.run('B', swap);
    await gang.run('A', `insert into t values (1, array[row(row('a', 'b'))]::wrapped[])`);
    expect(await gang.round('B')).toMatchObject({
      B: {
        error: { code: 'schema_differs', facts: { column: 'value', type: 'public.pair', attribute: 'a' } },
      },
    });
    expect(await gang.rows('B', 't')).toEqual([]);
    await gang.run('A', swap);
    await gang.expectEqual();
  });

  it('may have enums with other labels inside', async () => {
    const withLabels = (labels: string): string =>
      `create type mood as enum (${labels}); create type pair as (m mood, n int); create table t (id int primary key, p pair)`;
    await using gang = await createGang({
      roles: oneWay,
      schema: '',
      seed: { A: withLabels(`'sad', 'new', 'ok'`), B: withLabels(`'ok', 'sad'`) },
      tables: ['t'],
    });
    await gang.run('A', `insert into t values (1, row('sad', 1)), (2, row('ok', 2))`);
    await gang.expectEqual();
    await gang.run('A', `insert into t values (3, row('new', 3))`);
    expect((await gang.round('B'))['B']).toMatchObject({ kind: 'bad' });
  });
});

describe('numbers with fewer digits than the column has', () => {
  const seed = {
    A: `create table t (id numeric(5,1) primary key, price numeric(10,2), list numeric(10,2)[], note text)`,
    B: `create table t (id numeric(6,2) primary key, price numeric(12,4), list numeric(12,4)[], note text)`,
  };

  it.each([
    ['another scale', seed],
    [
      'a domain that rounds otherwise',
      {
        A: `create domain price as numeric(10,2); create table t (id int primary key, price price, note text)`,
        B: `create domain price as numeric(12,4); create table t (id int primary key, price price, note text)`,
      },
    ],
  ])('are equal to what is stored: a round that repeats them writes nothing (%s)', async (_, both) => {
    await using gang = await createGang({ roles: oneWay, schema: '', seed: both, tables: ['t'] });
    await gang.run('A', `insert into t (id, price, note) values (1, 1.5, 'x'), (2, null, 'y')`);
    await gang.settle();
    expect(await gang.rows('B', 't')).toHaveLength(2);
    await gang.run('A', 'update t set note = note');
    expect((await gang.round('B'))['B']).toMatchObject({ applied: { inserted: 0, updated: 0, deleted: 0 } });
    await gang.run('A', 'update t set price = 2.25 where id = 1');
    expect((await gang.round('B'))['B']).toMatchObject({ applied: { inserted: 0, updated: 1, deleted: 0 } });
  });
});

describe('columns that fill themselves', () => {
  const schema = `
    create table stored (id int primary key, a int, b int generated always as (a * 2) stored);
    create table virtual (id int primary key, a int, b int generated always as (a * 2) virtual);
    create table always_key (id int generated always as identity primary key, note text);
    create table default_key (id int generated by default as identity primary key, note text);
    create table always_other (id int primary key, number int generated always as identity, note text unique);
    create table always_part (id int generated always as identity, size numeric, note text, primary key (id, size))`;
  const tables = ['stored', 'virtual', 'always_key', 'default_key', 'always_other', 'always_part'];

  it.each([
    ['one way', oneWay, 'A'],
    ['both ways', twoWay, 'B'],
  ] as const)('stay what they are, generated or identity, %s', async (_, roles, other) => {
    await using gang = await createGang({ roles, schema, tables });
    await gang.run(
      'A',
      `insert into stored (id, a) values (1, 1), (2, 2); insert into virtual (id, a) values (1, 1), (2, 2);
       insert into always_key (note) values ('x'), ('y'); insert into default_key (id, note) values (7, 'x'), (8, 'y');
       insert into always_other (id, number, note) overriding system value values (1, 11, 'x'), (2, 12, 'y');
       insert into always_part (size, note) values (1.0, 'x'), (2, 'y')`,
    );
    await gang.expectEqual();
    await gang.run(
      other,
      `update stored set a = 10 where id = 1; update virtual set a = 10 where id = 1; update always_key set note = 'z' where id = 1;
       update default_key set id = 9, note = 'z' where id = 7; update always_other set note = 'z' where id = 1;
       update always_part set size = 1.00 where id = 1;
       delete from stored where id = 2; delete from always_key where id = 2; delete from always_other where id = 2`,
    );
    await gang.expectEqual();
    expect(await gang.rows('B', 'stored')).toEqual(['(1,10,20)']);
    expect(await gang.rows('B', 'virtual')).toEqual(['(1,10,20)', '(2,2,4)']);
    expect(await gang.rows('B', 'always_other')).toEqual(['(1,11,z)']);
    expect(await gang.rows('B', 'always_part')).toEqual(['(1,1.00,x)', '(2,2,y)']);
  });
});

describe('tables of unusual width', () => {
  const wide = Array.from(
    { length: 300 },
    (_, n) => `c${n} ${['int', 'text', 'numeric', 'timestamptz'][n % 4]}`,
  );
  const schema = `create table keys_only (a int, b text, primary key (a, b)); create table wide (id int primary key, ${wide.join(', ')})`;

  it.each([
    ['one way', oneWay, 'A'],
    ['both ways', twoWay, 'B'],
  ] as const)('may have nothing but a key, or 300 columns, %s', async (_, roles, other) => {
    await using gang = await createGang({ roles, schema, tables: ['keys_only', 'wide'] });
    await gang.run(
      'A',
      `insert into keys_only values (1, 'x'), (2, 'y'), (3, 'z'); insert into wide (id, c0, c298) values (1, 1, 2), (2, 3, 4)`,
    );
    await gang.expectEqual();
    await gang.run(
      other,
      `delete from keys_only where a = 1; update keys_only set b = 'changed' where a = 2; update wide set c1 = 'changed', c299 = 'epoch'`,
    );
    await gang.run('A', `update wide set c5 = 'A' where id = 1`);
    await gang.expectEqual();
    expect(await gang.rows('B', 'keys_only')).toEqual(['(2,changed)', '(3,z)']);
    if ('C' in roles) expect(await gang.conflicts('B')).toHaveLength(1);
  });
});
