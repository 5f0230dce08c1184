/** Large values, many rows, and the ways in which applications write them. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it, vi } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { startServer } from '../../tools/embedded-postgres.ts';
import { createGang } from '../support/gang.ts';

// Many statements on several databases: they take long where other tests run beside them.
vi.setConfig({ testTimeout: 180_000 });

const oneWay = { A: 'source', B: 'target' } as const;
const twoWay = { A: 'source', B: 'source' } as const;
const schema = 'create table t (id int primary key, note text, body bytea)';

describe.each([
  ['one way', oneWay],
  ['both ways', twoWay],
] as const)('%s', (_, roles) => {
  it('carries a row of 20 MB, and notes that it conflicts without keeping it twice', async () => {
    await using gang = await createGang({ roles, schema, tables: ['t'] });
    const megabytes20 = `(select decode(string_agg(md5(n::text), ''), 'hex') from generate_series(1, 1310720) n)`;
    const memoryBefore = process.memoryUsage().rss;
    await gang.run('A', `insert into t values (1, 'large', ${megabytes20})`);
    if (roles === twoWay) await gang.run('B', `insert into t values (1, 'small', 'x')`);
    await gang.run('A', `update t set note = 'latest'`);
    await gang.settle();
    const [row] = await gang
      .on('B')
      .query(sql`select note, length(body) as bytes, md5(body) as digest from public.t`);
    const [wanted] = await gang
      .on('A')
      .query(sql`select note, length(body) as bytes, md5(body) as digest from public.t`);
    expect(row).toEqual(wanted);
    expect(row).toMatchObject({ note: 'latest', bytes: '20971520' });
    expect(process.memoryUsage().rss - memoryBefore).toBeLessThan(200_000_000);
    expect(await gang.conflicts('B')).toHaveLength(roles === twoWay ? 1 : 0);
    const [sizes] = await gang
      .on('B')
      .query(sql`select max(length(versions::text)) as bytes from tahr.conflict`);
    expect(Number(sizes?.['bytes'] ?? 0)).toBeLessThan(10_000);
  });

  it('carries 5,000 rows of 1 kB, and 100,000 rows in one round', async () => {
    await using gang = await createGang({ roles, schema, tables: ['t'] });
    await gang.run('A', `insert into t select n, repeat(md5(n::text), 32) from generate_series(1, 5000) n`);
    expect(await gang.round('B')).toMatchObject({ B: { kind: 'good', applied: { inserted: 5000 } } });
    await gang.run(
      'A',
      `update t set note = note || 'x'; insert into t select n, 'n' || n from generate_series(5001, 100000) n`,
    );
    expect(await gang.round('B')).toMatchObject({
      B: { kind: 'good', applied: { inserted: 95_000, updated: 5000 } },
    });
    await gang.run('A', `delete from t where id % 2 = 0; update t set id = -id where id < 1000`);
    await gang.expectEqual();
    expect(await gang.rows('B', 't')).toHaveLength(50_000);
  });

  it('follows every way to write: upsert, MERGE, COPY, writing CTEs, savepoints, serializable and rolled back transactions', async () => {
    await using gang = await createGang({
      roles,
      schema: `${schema}; create view v as select * from t where id < 1000`,
      tables: ['t'],
    });
    const writer = roles === twoWay ? 'B' : 'A';
    await gang.run('A', `insert into t select n, 'start' from generate_series(1, 50) n`);
    await gang.settle();
    await gang.run(
      writer,
      `insert into t values (1, 'upsert'), (100, 'upsert') on conflict (id) do update set note = excluded.note;
       insert into t values (2, 'nothing') on conflict do nothing;
       merge into t using (values (3, 'merged'), (4, null), (101, 'merged')) s (id, note) on t.id = s.id
         when matched and s.note is null then delete when matched then update set note = s.note
         when not matched then insert values (s.id, s.note);
       with gone as (delete from t where id = 5 returning id), moved as (update t set id = 105 where id = 6 returning id)
         insert into t select id + 1000, 'cte' from gone union all select id + 1000, 'cte' from moved;
       update v set note = 'view' where id = 7;
       begin; update t set note = 'kept' where id = 8; savepoint s; update t set note = 'undone' where id = 9; delete from t where id = 10;
         rollback to s; update t set note = 'kept' where id = 11; release s; commit;
       begin; delete from t; rollback;
       begin isolation level serializable; update t set note = 'serializable' where id = 12; commit;
       begin isolation level repeatable read; select count(*) from t; update t set note = 'repeatable' where id = 13; commit;
       do $$ begin update t set note = 'block' where id = 14; begin update t set note = 'undone' where id = 15; raise exception 'x'; exception when others then null; end; end $$`,
    );
    await pipeline(
      Readable.from(['200\tcopied\t\\N\n', '201\tcopied\t\\\\x00\n']),
      gang.on(writer).copyIn(sql`copy public.t from stdin`),
    );
    await gang.expectEqual();
    const rows = await gang.rows('B', 't');
    expect(rows).toEqual(
      expect.arrayContaining([
        '(1,upsert,)',
        '(2,start,)',
        '(3,merged,)',
        '(101,merged,)',
        '(105,start,)',
        '(1005,cte,)',
        '(1105,cte,)',
        '(7,view,)',
        '(8,kept,)',
        '(9,start,)',
        '(10,start,)',
        '(11,kept,)',
        '(12,serializable,)',
        '(13,repeatable,)',
        '(14,block,)',
        '(15,start,)',
        '(200,copied,)',
      ]),
    );
    expect(rows).toHaveLength(54);
  });
});

it('follows prepared transactions from the moment when they are committed', async () => {
  await using server = await startServer({ settings: { fsync: 'off', max_prepared_transactions: '10' } });
  await using gang = await createGang({ roles: twoWay, schema, tables: ['t'], server });
  await gang.run('A', `begin; insert into t values (1, 'prepared'); prepare transaction 'one'`);
  await gang.run('A', `begin; insert into t values (2, 'given up'); prepare transaction 'two'`);
  await gang.run('A', `insert into t values (3, 'ordinary')`);
  await gang.settle();
  expect(await gang.rows('B', 't')).toEqual(['(3,ordinary,)']);
  await gang.run('A', `commit prepared 'one'`);
  await gang.run('A', `rollback prepared 'two'`);
  await gang.run('B', `begin; update t set note = 'B' where id = 3; prepare transaction 'three'`);
  await gang.run('B', `commit prepared 'three'`);
  await gang.expectEqual();
  expect(await gang.rows('B', 't')).toEqual(['(1,prepared,)', '(3,B,)']);
});
