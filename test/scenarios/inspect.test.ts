/** A look at the next round: it tells what the round then does, and changes nothing anywhere. */
import { describe, expect, test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import type { DatabasePreview, TablePreview } from '../../src/replication/preview.ts';
import { createGang, type Gang } from '../support/gang.ts';

const items = `create table items (id bigint primary key, note text);
               create table extras (code text primary key, amount numeric(10, 2))`;
const tables = ['items', 'extras'];
const two = { A: 'source', B: 'source' } as const;
const three = { A: 'source', B: 'source', C: 'source' } as const;

const put = (id: number, note: string): string =>
  `insert into items values (${id}, '${note}') on conflict (id) do update set note = excluded.note`;

type RowsPreview = Extract<TablePreview, { kind: 'rows' }>;

const rowsOf = ({ tables: found }: DatabasePreview): RowsPreview[] =>
  found.flatMap((table) => (table.kind === 'rows' ? [table] : []));

/** What the rounds of a database would write, over all tables and sources. */
const totalOf = (preview: DatabasePreview) => {
  const counts = rowsOf(preview).flatMap(({ bySource }) => bySource);
  const sum = (name: 'inserted' | 'updated' | 'deleted'): number =>
    counts.reduce((total, count) => total + count[name], 0);
  return { inserted: sum('inserted'), updated: sum('updated'), deleted: sum('deleted') };
};

/** Everything that a round could change on a database. */
const stateOf = async (gang: Gang, name: string): Promise<string> => {
  const session = gang.on(name);
  const segments = await session.query(
    sql`select format('%I.%I', n.nspname, c.relname) as relation, c.relkind as kind
          from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where n.nspname in ('tahr', 'public') and c.relkind in ('r', 'p', 'S') order by 1`,
  );
  const contents = [];
  for (const { relation, kind } of segments) {
    const row = kind === 'S' ? sql`t.last_value::text` : sql`t::text`;
    contents.push(
      await session.query(sql`select ${row} as row from ${sql.verbatim(relation ?? '')} t order by 1`),
    );
  }
  return JSON.stringify([segments, contents]);
};

/** Held by anybody but the application that asks, and the server's own autovacuum. */
const locksOn = async (gang: Gang, name: string): Promise<unknown[]> =>
  gang.on(name).query(sql`
    select l.relation::regclass::text as relation, l.mode
      from pg_catalog.pg_locks l
      join pg_catalog.pg_stat_activity a on a.pid = l.pid and a.backend_type = 'client backend'
     where l.database = (select oid from pg_catalog.pg_database where datname = current_database())
       and l.pid <> pg_catalog.pg_backend_pid()`);

describe('a look at the next round', () => {
  test('tells of each source and table what the round then does', async () => {
    await using gang = await createGang({ roles: { A: 'source', B: 'target' }, schema: items, tables });
    await gang.run('A', 'insert into items select n, n::text from generate_series(1, 10) n');
    await gang.settle();
    await gang.run('A', "update items set note = 'new' where id <= 4; delete from items where id in (5, 6)");
    await gang.run('A', "insert into items values (11, 'x'); update items set note = note where id = 7");
    await gang.run('A', "insert into extras values ('e', 1.5)");
    const [preview, ...others] = await gang.preview('B');
    expect(others).toEqual([]);
    expect(preview).toEqual({
      database: 'B',
      startsAnew: false,
      problem: null,
      tables: [
        {
          kind: 'rows',
          table: { schema: 'public', name: 'items' },
          strategy: 'bucardo_latest',
          bySource: [{ from: 'A', inserted: 1, updated: 4, deleted: 2, equal: 1, notTaken: 0 }],
          conflicts: { listed: [], totalCount: 0 },
        },
        {
          kind: 'rows',
          table: { schema: 'public', name: 'extras' },
          strategy: 'bucardo_latest',
          bySource: [{ from: 'A', inserted: 1, updated: 0, deleted: 0, equal: 0, notTaken: 0 }],
          conflicts: { listed: [], totalCount: 0 },
        },
      ],
    });
    expect((await gang.round('B'))['B']).toMatchObject({ applied: totalOf(preview as DatabasePreview) });
    expect(await gang.preview('B')).toMatchObject([{ database: 'B', tables: [] }]);
  });

  test('counts what a truncation would delete', async () => {
    await using gang = await createGang({ roles: two, schema: items, tables });
    await gang.run('A', `${put(1, 'old')}; ${put(2, 'old')}`);
    await gang.settle();
    await gang.run('A', 'truncate items');
    await gang.run('A', put(2, 'after'));
    const previews = await gang.preview();
    expect(previews.map(totalOf)).toEqual([
      { inserted: 0, updated: 0, deleted: 0 },
      { inserted: 0, updated: 1, deleted: 1 },
    ]);
    expect((await gang.round())['B']).toMatchObject({ applied: { inserted: 0, updated: 1, deleted: 1 } });
  });

  test('changes nothing on any database and leaves no lock', async () => {
    await using gang = await createGang({ roles: three, schema: items, tables });
    await gang.run('A', `${put(1, 'old')}; ${put(2, 'old')}`);
    await gang.settle();
    for (const name of ['A', 'B', 'C'])
      await gang.run(name, `${put(1, name)}; ${put(10 + name.charCodeAt(0), name)}`);
    await gang.run('B', 'delete from items where id = 2');
    const before = await Promise.all(['A', 'B', 'C'].map((name) => stateOf(gang, name)));
    const previews = await gang.preview();
    expect(previews.every((preview) => rowsOf(preview).length > 0)).toBe(true);
    expect(await Promise.all(['A', 'B', 'C'].map((name) => stateOf(gang, name)))).toEqual(before);
    for (const name of ['A', 'B', 'C']) expect(await locksOn(gang, name)).toEqual([]);
    const outcomes = await gang.round();
    for (const preview of previews)
      expect(outcomes[preview.database]).toMatchObject({ applied: totalOf(preview) });
    await gang.expectEqual();
  });

  test('neither waits for an application that holds the rows nor is in its way', async () => {
    await using gang = await createGang({ roles: two, schema: items, tables });
    await gang.run('A', put(1, 'old'));
    await gang.settle();
    await gang.run('A', put(1, 'of A'));
    await gang.run('B', `begin; ${put(1, 'not committed')}`);
    const [, preview] = await gang.preview();
    expect(preview).toMatchObject({ database: 'B', problem: null });
    expect(totalOf(preview as DatabasePreview)).toEqual({ inserted: 0, updated: 1, deleted: 0 });
    await gang.run('B', 'rollback');
  });

  test('is not disturbed by a table that does not fit on one side', async () => {
    await using gang = await createGang({ roles: three, schema: items, tables });
    await gang.run('A', put(1, 'of A'));
    await gang.run('C', 'alter table items drop column note');
    await gang.run('A', 'alter table items add column more int');
    await gang.run('B', 'alter table items add column more int');
    expect(await gang.preview('B', 'C')).toMatchObject([
      { database: 'B', problem: null },
      { database: 'C', problem: { code: 'schema_differs' }, tables: [] },
    ]);
  });
});

describe('of the same row changed on three', () => {
  test('the versions and the verdict are those that the round then records', async () => {
    await using gang = await createGang({ roles: three, schema: items, tables });
    for (const name of ['C', 'A', 'B']) await gang.run(name, put(1, `of ${name}`));
    const previews = await gang.preview();
    const found = previews.map((preview) => rowsOf(preview)[0]?.conflicts);
    expect(found.map((conflicts) => conflicts?.totalCount)).toEqual([1, 1, 1]);
    const [conflict] = found[0]?.listed ?? [];
    expect(conflict).toMatchObject({
      key: '1',
      winner: 'B',
      versions: [
        { origin: 'B', holder: 'B', isDeletion: false },
        { origin: 'A', holder: 'A', isDeletion: false },
        { origin: 'C', holder: 'C', isDeletion: false },
      ],
    });
    for (const conflicts of found) expect(conflicts?.listed).toEqual([conflict]);
    await gang.round();
    const [recorded] = await gang.conflicts('A');
    const versions = JSON.parse(recorded?.['versions'] ?? '') as { xid: string; at: string }[];
    expect(recorded).toMatchObject({ winner: '2', key: '1' });
    expect(conflict?.versions.map(({ xid }) => String(xid))).toEqual(versions.map(({ xid }) => xid));
    expect(conflict?.versions.map(({ atMicros }) => Number(atMicros / 1000n))).toEqual(
      versions.map(({ at }) => Date.parse(at)),
    );
  });

  test('a deletion is told as one, and two deletions are no conflict', async () => {
    await using gang = await createGang({ roles: three, schema: items, tables });
    await gang.run('A', `${put(1, 'old')}; ${put(2, 'old')}`);
    await gang.settle();
    await gang.run('A', 'delete from items');
    await gang.run('B', `${put(1, 'of B')}; delete from items where id = 2`);
    const previews = await gang.preview();
    for (const preview of previews) {
      const [table] = rowsOf(preview);
      expect(table?.conflicts.listed).toMatchObject([
        {
          key: '1',
          winner: 'B',
          versions: [
            { origin: 'B', isDeletion: false },
            { origin: 'A', isDeletion: true },
          ],
        },
      ]);
    }
    await gang.round();
    for (const name of ['A', 'B', 'C']) expect(await gang.conflicts(name)).toHaveLength(1);
  });

  test.each([
    ['bucardo_skip', null],
    ['bucardo_abort', 'conflict_abort'],
  ])('nobody wins by %s', async (conflictStrategy, code) => {
    await using gang = await createGang({
      roles: three,
      schema: items,
      tables,
      options: { conflictStrategy },
    });
    for (const name of ['A', 'B', 'C']) await gang.run(name, put(1, `of ${name}`));
    for (const { problem, ...preview } of await gang.preview()) {
      expect(problem?.code ?? null).toBe(code);
      const [table] = rowsOf({ problem, ...preview });
      expect(table).toMatchObject({ strategy: conflictStrategy, conflicts: { totalCount: 1 } });
      expect(table?.conflicts.listed).toMatchObject([{ key: '1', winner: null }]);
      expect(table?.conflicts.listed[0]?.versions).toHaveLength(3);
    }
  });
});

test('of more conflicts than a page holds a hundred are listed and all are counted', async () => {
  await using gang = await createGang({ roles: two, schema: items, tables });
  for (const name of ['A', 'B'])
    await gang.run(name, `insert into items select n, '${name}' from generate_series(1, 2500) n`);
  const [onA, onB] = await gang.preview();
  for (const preview of [onA, onB]) {
    const [table] = rowsOf(preview as DatabasePreview);
    expect(table?.conflicts.totalCount).toBe(2500);
    expect(table?.conflicts.listed).toHaveLength(100);
  }
  const { A, B } = await gang.round();
  expect(A).toMatchObject({ applied: { ...totalOf(onA as DatabasePreview), conflicts: 2500 } });
  expect(B).toMatchObject({ applied: { ...totalOf(onB as DatabasePreview), conflicts: 2500 } });
});

describe('a copy that is due', () => {
  test('is told for every table and not staged', async () => {
    await using gang = await createGang({ roles: { ...two, C: 'target' }, schema: items, tables });
    await gang.run('A', put(1, 'of A'));
    await gang.update({ onetimecopy: 1, copyGeneration: 1 });
    const copied = ['items', 'extras'].map((name) => ({ kind: 'copy', table: { name }, from: 'A' }));
    expect(await gang.preview()).toMatchObject([
      { database: 'A', tables: [], startsAnew: true },
      { database: 'B', tables: copied, startsAnew: false },
    ]);
    expect(await gang.preview('C')).toMatchObject([{ database: 'C', tables: copied }]);
  });

  test('of empty tables only leaves the others as they are', async () => {
    await using gang = await createGang({ roles: { A: 'source', B: 'target' }, schema: items, tables });
    await gang.run('A', `${put(1, 'of A')}; insert into extras values ('e', 1)`);
    await gang.run('B', put(2, 'of B'));
    await gang.update({ onetimecopy: 2, copyGeneration: 1 });
    const [preview] = await gang.preview('B');
    expect(preview?.tables).toMatchObject([
      { kind: 'rows', table: { name: 'items' }, bySource: [{ from: 'A', inserted: 1 }] },
      { kind: 'copy', table: { name: 'extras' }, from: 'A' },
    ]);
    expect((await gang.round('B'))['B']).toMatchObject({ applied: { inserted: 2, updated: 0, deleted: 0 } });
  });
});
