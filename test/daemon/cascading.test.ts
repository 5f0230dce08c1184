/** A chain A to B to C by two syncs, set up and changed from the command line while a daemon runs. */
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Session } from '../../src/pg/session.ts';
import { sql } from '../../src/pg/sql.ts';
import { createInstallation, type Installation, settings } from '../cli/tahr.ts';
import { createDatabase } from '../support/databases.ts';
import { startDaemon } from './installation.ts';

const names = ['A', 'B', 'C'] as const;
type Name = (typeof names)[number];

interface Chain {
  readonly installation: Installation;
  readonly write: (statements: string) => Promise<void>;
  readonly rows: (name: Name) => Promise<string[]>;
  /** Waits until a database has these rows. */
  readonly eventually: (name: Name, rows: readonly string[]) => Promise<void>;
}

const createChain = async (): Promise<Chain> => {
  const installation = await createInstallation();
  onTestFinished(() => installation[Symbol.asyncDispose]());
  const sessions = new Map<Name, Session>();
  for (const name of names) {
    const database = await createDatabase(name.toLowerCase());
    const session = await database.session();
    await session.script(sql`create table public.items (id bigint primary key, note text)`);
    sessions.set(name, session);
    await installation.ok('add', 'db', name, ...settings(database.parameters));
  }
  const on = (name: Name): Session => sessions.get(name) as Session;
  const rows = async (name: Name): Promise<string[]> =>
    (await on(name).query(sql`select t::text as row from public.items t order by 1`)).map(
      ({ row }) => row ?? '',
    );
  return {
    installation,
    rows,
    async write(statements) {
      await on('A').script(sql.verbatim(statements));
    },
    eventually: (name, expected) =>
      vi.waitFor(async () => expect(await rows(name), name).toEqual(expected), {
        timeout: 10_000,
        interval: 20,
      }),
  };
};

const insert = (id: number): string => `insert into public.items values (${id}, 'x')`;

test('a change goes from A over B to C by itself', async () => {
  const { installation, write, eventually, rows } = await createChain();
  await installation.ok('update', 'db', 'B', 'makedelta=on');
  await installation.ok('add', 'sync', 'first', 'tables=items', 'dbs=A:source,B:target');
  await installation.ok('add', 'sync', 'second', 'tables=items', 'dbs=B:source,C:target');
  startDaemon(installation.control);
  await write(insert(1));
  await eventually('C', ['(1,x)']);
  // The watch of B has nothing else to do by now: it waits until it is told.
  await write('delete from public.items');
  await eventually('C', []);
  expect(await rows('B')).toEqual([]);
});

test('makedelta takes effect with the next round, for a database and for a table', async () => {
  const { installation, write, eventually, rows } = await createChain();
  await installation.ok('add', 'sync', 'first', 'tables=items', 'dbs=A:source,B:target');
  await installation.ok('add', 'sync', 'second', 'tables=items', 'dbs=B:source,C:target');
  startDaemon(installation.control);
  await write(insert(1));
  await eventually('B', ['(1,x)']);
  await installation.ok('update', 'db', 'B', 'makedelta=on');
  await kickUntilAdopted(installation);
  await write(insert(2));
  await eventually('C', ['(2,x)']);
  await installation.ok('update', 'table', 'items', 'makedelta=off');
  await kickUntilAdopted(installation);
  await write(insert(3));
  await eventually('B', ['(1,x)', '(2,x)', '(3,x)']);
  await installation.ok('update', 'table', 'items', 'makedelta=on');
  await kickUntilAdopted(installation);
  await write(insert(4));
  await eventually('C', ['(2,x)', '(4,x)']);
  expect(await rows('B')).toHaveLength(4);
});

test('a sync that is added while the daemon runs gets what an earlier one brings', async () => {
  const { installation, write, eventually, rows } = await createChain();
  await installation.ok('update', 'db', 'B', 'makedelta=on');
  await installation.ok('add', 'sync', 'first', 'tables=items', 'dbs=A:source,B:target');
  startDaemon(installation.control);
  await write(insert(1));
  await eventually('B', ['(1,x)']);
  await installation.ok('add', 'sync', 'second', 'tables=items', 'dbs=B:source,C:target');
  await write(insert(2));
  await eventually('C', ['(2,x)']);
  expect(await rows('B')).toEqual(['(1,x)', '(2,x)']);
});

test('a chain that ends in the middle is told of when it is made, and by validate', async () => {
  const { installation } = await createChain();
  await installation.ok('add', 'sync', 'first', 'tables=items', 'dbs=A:source,B:target');
  const note =
    'Note: B does not hand on to C by sync "second" what sync "first" brings to public.items: makedelta is off there.';
  expect(await installation.ok('add', 'sync', 'second', 'tables=items', 'dbs=B:source,C:target')).toContain(
    note,
  );
  expect(await installation.tahr('validate', 'first')).toMatchObject({
    code: 0,
    stderr: expect.stringContaining(note),
  });
  await installation.ok('update', 'db', 'B', 'makedelta=on');
  expect(await installation.tahr('validate', 'all')).toMatchObject({ code: 0, stderr: '' });
});

/** A command that changes settings does not wait for the daemon; a kick that comes after it is answered after it. */
const kickUntilAdopted = (installation: Installation): Promise<string> =>
  installation.ok('kick', 'first', '10');

test('what is copied whole goes on with makedelta, and only then', async () => {
  const { installation, write, eventually, rows } = await createChain();
  await installation.ok('add', 'sync', 'first', 'tables=items', 'dbs=A:source,B:fullcopy');
  await installation.ok('add', 'sync', 'second', 'tables=items', 'dbs=B:source,C:target');
  startDaemon(installation.control);
  await write(`${insert(1)}, (2, 'y')`);
  await installation.ok('kick', 'first', '30');
  expect(await rows('B')).toEqual(['(1,x)', '(2,y)']);
  await installation.ok('update', 'db', 'B', 'makedelta=on');
  await write(`delete from public.items where id = 1`);
  await installation.ok('kick', 'first', '30');
  await eventually('C', ['(2,y)']);
});
