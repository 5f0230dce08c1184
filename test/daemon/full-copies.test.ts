/** Databases in the role fullcopy: their tables are replaced whole, when somebody asks for it or it is time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import type { SyncDefinition } from '../../src/model/topology.ts';
import { loadSyncDefinition } from '../../src/control/sync-definition.ts';
import { addSync, updateSync } from '../../src/control/sync.ts';
import { getInstallation } from '../../src/control/installation.ts';
import { addCustomCols } from '../../src/control/customcols.ts';
import { addFilter } from '../../src/control/filter.ts';
import { sql } from '../../src/pg/sql.ts';
import { createInstallation, install, type TestInstallation } from './installation.ts';

const copying = { A: 'source', B: 'fullcopy' } as const;

/** The same tables once more. */
const addSecondSync = (tahr: TestInstallation): Promise<void> =>
  tahr.store.transaction(async (db) => {
    const added = await addSync(db, { ...tahr.sync, name: 'second' });
    await install(added, (await getInstallation(db)).id);
  });

/** No key, rows that are there twice, and values of every way to travel. */
const schema = `
  create type mood as enum ('glad', 'sad');
  create table log (
    n integer, note text, mood mood, amount numeric, data jsonb, raw bytea, at timestamptz, tags text[],
    twice integer generated always as (n * 2) stored
  )`;

const someRows = `
  insert into log values (1, 'a\tb\\nc', 'glad', 1.50, '{"a": [1]}', '\\x00ff', '2026-01-02 03:04:05.678+00', '{x,NULL,"y z"}');
  insert into log values (1, 'a\tb\\nc', 'glad', 1.50, '{"a": [1]}', '\\x00ff', '2026-01-02 03:04:05.678+00', '{x,NULL,"y z"}');
  insert into log values (2, null, null, 'NaN', 'null', '', 'infinity', null), (3, '', 'sad', 0, '{}', null, null, '{}')`;

const kicked = async (tahr: TestInstallation): Promise<void> => {
  expect(await tahr.kick()).toEqual({ result: 'done' });
};

const places = async (tahr: TestInstallation, name: string, table: string): Promise<string[]> => {
  const session = await tahr.database(name).session();
  const rows = await session.query(
    sql`select concat_ws(' ', tableoid, xmin, ctid) as place from ${sql.id('public', table)} order by 1`,
  );
  return rows.map(({ place }) => place ?? '');
};

describe('a database that is replaced whole', () => {
  test('gets all rows of tables without keys when the sync is kicked, and leaves nothing anywhere', async () => {
    const tahr = await createInstallation({ roles: copying, schema, tables: ['log'] });
    await tahr.run('A', someRows);
    await tahr.run('B', `insert into log (n) values (99)`);
    tahr.startDaemon();
    await kicked(tahr);
    await tahr.equal();
    expect(await tahr.rows('B', 'log')).toHaveLength(4);
    for (const name of ['A', 'B']) {
      const session = await tahr.database(name).session();
      const [row] = await session.query(sql`select to_regnamespace('tahr') is null as clean`);
      expect(row?.['clean']).toBe('t');
    }
    expect(await tahr.state('B')).toMatchObject({
      state: 'idle',
      lastError: null,
      rowsBehind: null,
      totals: { inserted: 4, updated: 0, deleted: 1, conflicts: 0 },
    });
  });

  test('is left alone by changes, by a start of the daemon, and by databases that come and go', async () => {
    const tahr = await createInstallation({ roles: copying, schema, tables: ['log'] });
    await tahr.run('A', someRows);
    const daemon = tahr.startDaemon();
    await tahr.eventually('B', { state: 'idle' });
    await sleep(1_000);
    expect(await tahr.rows('B', 'log')).toEqual([]);
    await daemon.stop();
    tahr.startDaemon();
    await sleep(1_000);
    expect(await tahr.rows('B', 'log')).toEqual([]);
    await kicked(tahr);
    await tahr.equal();
  });

  test('is replaced again and again by checktime, also the first time', async () => {
    const tahr = await createInstallation({
      roles: copying,
      schema,
      tables: ['log'],
      sync: { checktimeMs: 1_000 },
    });
    await tahr.run('A', someRows);
    const daemon = tahr.startDaemon();
    await tahr.equal();
    expect(await tahr.rows('B', 'log')).toHaveLength(4);
    await daemon.stop();
    await tahr.run('A', `update log set note = 'again'`);
    tahr.startDaemon();
    await tahr.equal();
  });

  test('is replaced at the times of a cron expression, which may come while it runs', async () => {
    const tahr = await createInstallation({ roles: copying, schema, tables: ['log'] });
    await tahr.run('A', someRows);
    tahr.startDaemon();
    await tahr.eventually('B', { state: 'idle' });
    await tahr.store.transaction((db) => updateSync(db, 'shop', { cron: '* * * * * *' }));
    await tahr.equal();
    await tahr.run('A', `delete from log where n = 1`);
    await tahr.equal();
  });

  test('is replaced once a copy is asked for, and onetimecopy is 0 again', async () => {
    const tahr = await createInstallation({ roles: copying, schema, tables: ['log'] });
    await tahr.run('A', someRows);
    tahr.startDaemon();
    await tahr.eventually('B', { state: 'idle' });
    await tahr.store.transaction((db) => updateSync(db, 'shop', { onetimecopy: 1 }));
    await tahr.equal();
    await vi.waitFor(async () => {
      const { onetimecopy } = await tahr.store.transaction((db) => loadSyncDefinition(db, 'shop'));
      expect(onetimecopy).toBe(0);
    });
  });

  test('is not written where it has the same rows already', async () => {
    const two = `${schema}; create table still (n integer, note text)`;
    const tahr = await createInstallation({ roles: copying, schema: two, tables: ['log', 'still'] });
    await tahr.run('A', `${someRows}; insert into still values (1, null), (2, ''), (2, '')`);
    tahr.startDaemon();
    await kicked(tahr);
    const before = await places(tahr, 'B', 'still');
    await tahr.run('A', `insert into log (n) values (7)`);
    await kicked(tahr);
    await tahr.equal();
    expect(await places(tahr, 'B', 'still')).toEqual(before);
    await tahr.run('B', `update still set note = null where note = ''`);
    await kicked(tahr);
    await tahr.equal();
    expect(await places(tahr, 'B', 'still')).not.toEqual(before);
  });

  test('shows its readers the old rows or the new ones', async () => {
    const tahr = await createInstallation({
      roles: copying,
      schema: 'create table big (n integer)',
      tables: ['big'],
    });
    await tahr.run('A', 'insert into big select 1 from generate_series(1, 20000)');
    tahr.startDaemon();
    await kicked(tahr);
    const session = await tahr.database('B').session();
    const seen = new Set<string>();
    const over = new AbortController();
    const reading = (async () => {
      while (!over.signal.aborted) {
        const [row] = await session.query(
          sql`select concat_ws('/', count(*), count(distinct n)) as what from public.big`,
        );
        seen.add(row?.['what'] ?? '');
      }
    })();
    for (let n = 2; n < 7; n++) {
      await tahr.run('A', `update big set n = ${n}`);
      await kicked(tahr);
    }
    over.abort();
    await reading;
    expect([...seen]).toEqual(['20000/1']);
  });

  test('has the values of the sequences of the source, also where they go back', async () => {
    const tahr = await createInstallation({
      roles: copying,
      schema: `${schema}; create sequence numbers`,
      tables: ['log'],
      sequences: ['numbers'],
    });
    await tahr.run('B', `select setval('numbers', 500)`);
    await tahr.run('A', `select setval('numbers', 70)`);
    tahr.startDaemon();
    await kicked(tahr);
    const session = await tahr.database('B').session();
    const [row] = await session.query(sql`select nextval('public.numbers') as value`);
    expect(row?.['value']).toBe('71');
  });
});

describe('how tables are emptied', () => {
  const related = `
    create table customer (id integer primary key);
    create table sale (customer integer references customer)`;
  const relatedRows = 'insert into customer values (1), (2); insert into sale values (1), (2), (2)';
  const tables = ['customer', 'sale'];

  test('all at once by truncate, where some refer to others', async () => {
    const tahr = await createInstallation({
      roles: copying,
      schema: related,
      tables,
      sync: { deleteMethod: 'truncate' },
    });
    await tahr.run('B', 'insert into customer values (9); insert into sale values (9)');
    await tahr.run('A', relatedRows);
    tahr.startDaemon();
    await kicked(tahr);
    await tahr.equal();
    await tahr.run('A', 'insert into customer values (3)');
    await kicked(tahr);
    await tahr.equal();
    expect(await tahr.rows('B', 'sale')).toHaveLength(3);
  });

  test('truncate is refused where others refer to the table, and truncate_cascade empties them too', async () => {
    const tahr = await createInstallation({ roles: copying, schema: related, tables: ['customer'] });
    await tahr.run('B', 'insert into customer values (9); insert into sale values (9)');
    await tahr.run('A', relatedRows);
    const again = async (change: Parameters<typeof updateSync>[2]): Promise<SyncDefinition> => {
      const [sync, { id }] = await tahr.store.transaction(async (db) => [
        await updateSync(db, 'shop', change),
        await getInstallation(db),
      ]);
      await install(sync, id);
      return sync;
    };
    await expect(again({ deleteMethod: 'truncate' })).rejects.toMatchObject({
      code: 'truncate_impossible',
      message: 'public.customer on B cannot be truncated: public.sale refers to it, and is not in the sync.',
    });
    await again({ deleteMethod: 'truncate_cascade' });
    tahr.startDaemon();
    await kicked(tahr);
    await tahr.equal();
    expect(await tahr.rows('B', 'sale')).toEqual([]);
  });
});

describe('what goes wrong in the middle', () => {
  test('nothing is written when the copy breaks off, and the next attempt is whole', async () => {
    const tahr = await createInstallation({ roles: copying, schema, tables: ['log'] });
    await tahr.run('A', someRows);
    await tahr.run('B', `insert into log (n) values (99)`);
    let seenOnB: string[] = [];
    let count = 0;
    tahr.startDaemon(async (point) => {
      if (point !== 'copying' || ++count > 1) return;
      seenOnB = await tahr.rows('B', 'log');
      throw new Error('broken off');
    });
    await tahr.kick();
    expect(seenOnB).toHaveLength(1);
    expect(await tahr.rows('B', 'log')).toEqual(seenOnB);
    await kicked(tahr);
    await tahr.equal();
  });

  // Fails when the snapshot of a full copy is taken before the tables are locked.
  test('of two copies the one that ends last is the newer one', async () => {
    const tahr = await createInstallation({ roles: copying, schema, tables: ['log'] });
    await tahr.run('A', `insert into log (n) values (1)`);
    await addSecondSync(tahr);
    const [isOpen, mayGoOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let openedCount = 0;
    tahr.startDaemon(async (point) => {
      if (point !== 'source_opened' || ++openedCount > 1) return;
      isOpen.resolve();
      await mayGoOn.promise;
    });
    const first = tahr.kick();
    await isOpen.promise;
    await tahr.run('A', `update log set n = 2`);
    const second = tahr.kick('second');
    await sleep(500);
    mayGoOn.resolve();
    await Promise.all([first, second]);
    expect(await tahr.rows('B', 'log')).toEqual(await tahr.rows('A', 'log'));
  });

  // Fails when a full copy takes a table that was rewritten under its snapshot for empty.
  test('a table that is truncated after the snapshot is not taken for empty', async () => {
    const tahr = await createInstallation({ roles: copying, schema, tables: ['log'] });
    await tahr.run('A', someRows);
    tahr.startDaemon(async (point) => {
      if (point !== 'source_opened' || (await tahr.rows('A', 'log')).length === 1) return;
      await tahr.run('A', `truncate log; insert into log (n) values (7)`);
    });
    const outcome = await tahr.kick();
    expect(outcome).toMatchObject({ result: 'failed', code: 'table_altered' });
    await tahr.equal();
    expect(await tahr.rows('B', 'log')).toHaveLength(1);
  });

  test('a table that is missing is told, and taken up when it is there', async () => {
    const tahr = await createInstallation({ roles: copying, schema, tables: ['log'] });
    await tahr.run('A', someRows);
    await tahr.run('B', 'alter table log rename to former');
    tahr.startDaemon();
    expect(await tahr.kick()).toMatchObject({ result: 'failed', code: 'relation_missing' });
    await tahr.run('B', 'alter table former rename to log');
    await kicked(tahr);
    await tahr.equal();
  });
});

describe('together with other roles', () => {
  test('sources go on among themselves and to targets, and the first of them is copied', async () => {
    const tahr = await createInstallation({
      roles: { A: 'source', B: 'source', C: 'target', D: 'fullcopy' },
      schema: 'create table item (id integer primary key, note text)',
      tables: ['item'],
    });
    tahr.startDaemon();
    await tahr.run('A', `insert into item values (1, 'a')`);
    await tahr.run('B', `insert into item values (2, 'b')`);
    await vi.waitFor(async () => {
      for (const name of ['A', 'B', 'C']) expect(await tahr.rows(name, 'item')).toHaveLength(2);
    });
    expect(await tahr.rows('D', 'item')).toEqual([]);
    await kicked(tahr);
    await tahr.equal();
    const session = await tahr.database('D').session();
    const [row] = await session.query(sql`select to_regnamespace('tahr') is null as clean`);
    expect(row?.['clean']).toBe('t');
  });
});

describe('other rows than those that are stored', () => {
  const sales = 'create table sale (region text, amount integer)';
  const some = `insert into sale values ('north', 1), ('north', 2), ('south', 5)`;
  const place = { database: null, sync: null };

  const withCols = async (list: string, { where }: { readonly where?: string } = {}) => {
    const tahr = await createInstallation({ roles: copying, schema: sales, tables: ['sale'] });
    await tahr.run('A', some);
    await tahr.store.transaction(async (db) => {
      const relation = tahr.sync.relations[0];
      if (relation === undefined) throw new Error('no table');
      await addCustomCols(db, relation, { list, ...place });
      if (where !== undefined)
        await addFilter(db, relation, { where, operations: ['insert', 'update', 'delete'], ...place });
    });
    return tahr;
  };

  test('a SELECT of its own, with groups, in which the table goes by its name', async () => {
    const tahr = await withCols('region, sum(amount)::integer as amount FROM sale GROUP BY 1');
    tahr.startDaemon();
    await kicked(tahr);
    expect(await tahr.rows('B', 'sale')).toEqual(['(north,3)', '(south,5)']);
  });

  test('a list of columns, and a filter', async () => {
    const tahr = await withCols('upper(region) AS region', { where: 'amount > 1' });
    tahr.startDaemon();
    await kicked(tahr);
    expect(await tahr.rows('B', 'sale')).toEqual(['(NORTH,)', '(SOUTH,)']);
  });

  test('what the source does not understand is told in its words', async () => {
    const tahr = await withCols('region FROM elsewhere');
    const [sync, { id }] = await tahr.store.transaction(async (db) => [
      await loadSyncDefinition(db, 'shop'),
      await getInstallation(db),
    ]);
    await expect(install(sync, id)).rejects.toMatchObject({
      code: 'customcols_invalid',
      message: expect.stringContaining('elsewhere'),
    });
  });
});
