/** Tables and databases that join a sync while it runs, from the command line: they are copied, and nobody is stopped for it. */
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Session } from '../../src/pg/session.ts';
import { sql } from '../../src/pg/sql.ts';
import { createInstallation, type Installation, settings } from '../cli/tahr.ts';
import { createDatabase } from '../support/databases.ts';
import { startDaemon } from './installation.ts';

const names = ['A', 'B', 'C'] as const;
type Name = (typeof names)[number];

interface Shop {
  readonly installation: Installation;
  readonly run: (name: Name, statements: string) => Promise<void>;
  readonly rows: (name: Name, table: string) => Promise<string[]>;
  readonly eventually: (name: Name, table: string, rows: readonly string[]) => Promise<void>;
  /** No copy is left to be made. */
  readonly settled: () => Promise<void>;
}

/** A sync of `items` from A to B that runs, with rows from before it began. */
const createShop = async (): Promise<Shop> => {
  const installation = await createInstallation();
  onTestFinished(() => installation[Symbol.asyncDispose]());
  const sessions = new Map<Name, Session>();
  for (const name of names) {
    const database = await createDatabase(name.toLowerCase());
    const session = await database.session();
    for (const table of ['items', 'orders'])
      await session.script(sql`create table ${sql.id('public', table)} (id bigint primary key, note text)`);
    sessions.set(name, session);
    await installation.ok('add', 'db', name, ...settings(database.parameters));
  }
  const on = (name: Name): Session => sessions.get(name) as Session;
  const rows = async (name: Name, table: string): Promise<string[]> =>
    (await on(name).query(sql`select t::text as row from ${sql.id('public', table)} t order by id`)).map(
      ({ row }) => row ?? '',
    );
  const shop: Shop = {
    installation,
    rows,
    async run(name, statements) {
      await on(name).script(sql.verbatim(statements));
    },
    eventually: (name, table, expected) =>
      vi.waitFor(async () => expect(await rows(name, table), name).toEqual(expected), {
        timeout: 10_000,
        interval: 20,
      }),
    settled: () =>
      vi.waitFor(
        async () => {
          const [sync] = JSON.parse(await installation.ok('list', 'syncs', '--json')) as {
            copies: unknown[];
          }[];
          expect(sync?.copies).toEqual([]);
        },
        { timeout: 10_000, interval: 100 },
      ),
  };
  await shop.run('A', `insert into public.items values (1, 'x'); insert into public.orders values (1, 'x')`);
  await installation.ok('add', 'sync', 'shop', 'tables=items', 'dbs=A:source,B:target', 'onetimecopy=1');
  startDaemon(installation.control);
  await shop.eventually('B', 'items', ['(1,x)']);
  await shop.settled();
  return shop;
};

test('a table that joins is copied to where it is empty', async () => {
  const { installation, run, eventually, rows, settled } = await createShop();
  const said = await installation.ok('add', 'table', 'orders', 'relgroup=shop');
  expect(said).toContain(
    '  public.orders takes part from now on, copied from A to where it is empty; what others hold stays.',
  );
  await run('A', `insert into public.orders values (2, 'y'); insert into public.items values (2, 'y')`);
  await eventually('B', 'orders', ['(1,x)', '(2,y)']);
  await eventually('B', 'items', ['(1,x)', '(2,y)']);
  await settled();
  await run('B', 'delete from public.orders');
  await installation.ok('kick', 'shop', '10');
  expect(await rows('B', 'orders')).toEqual([]);
});

test('a target that joins is filled, and one that is there keeps what it has', async () => {
  const { installation, run, eventually, rows, settled } = await createShop();
  await run('B', `update public.items set note = 'by hand'`);
  const said = await installation.ok('update', 'dbgroup', 'shop', 'A:source', 'B:target', 'C:target');
  expect(said).toContain(
    '  C takes part from now on. Tables that are empty there are copied from A; what others hold stays.',
  );
  await eventually('C', 'items', ['(1,x)']);
  await run('A', `insert into public.items values (2, 'y')`);
  await eventually('C', 'items', ['(1,x)', '(2,y)']);
  await eventually('B', 'items', ['(1,"by hand")', '(2,y)']);
  await settled();
  expect(await rows('A', 'items')).toEqual(['(1,x)', '(2,y)']);
});

test('a source that joins is filled, and from then on read too', async () => {
  const { installation, run, rows, eventually } = await createShop();
  await installation.ok('update', 'dbgroup', 'shop', 'A:source', 'B:target', 'C:source');
  await eventually('C', 'items', ['(1,x)']);
  await run('C', `insert into public.items values (3, 'of C')`);
  for (const name of ['A', 'B'] as const) await eventually(name, 'items', ['(1,x)', '(3,"of C")']);
  expect(await rows('C', 'items')).toEqual(['(1,x)', '(3,"of C")']);
});

test('with a filter, and without it again, the target gets the rows that it is to have', async () => {
  const { installation, run, eventually, settled } = await createShop();
  await run('A', `insert into public.items values (2, 'y')`);
  await eventually('B', 'items', ['(1,x)', '(2,y)']);
  const said = await installation.ok('add', 'filter', 'items', `where=note = 'y'`, 'db=B');
  expect(said).toContain('public.items on B is copied from A once more');
  await eventually('B', 'items', ['(2,y)']);
  await settled();
  await installation.ok('remove', 'filter', '1');
  await eventually('B', 'items', ['(1,x)', '(2,y)']);
});
