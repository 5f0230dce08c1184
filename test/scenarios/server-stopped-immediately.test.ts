/**
 * A server is stopped at once, as by `pg_ctl stop -m immediate`, and started again, while it is written to and rounds are under way.
 *
 * Seen to fail: with nobody told that a database is back (`Databases`), the daemon waited for ever for a source; with positions that
 * are committed before the rows (`PostgresWriter.movePositions`), nothing arrived any more.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { isReplicationError } from '../../src/model/errors.ts';
import { sql } from '../../src/pg/sql.ts';
import { type Server, startServer } from '../../tools/embedded-postgres.ts';
import { createInstallation, type TestInstallation } from '../daemon/installation.ts';

vi.setConfig({ testTimeout: 300_000 });

const settings = { fsync: 'off' };
const schema = 'create table orders (id int primary key, note text)';

/** Inserts rows and changes older ones until it is stopped. @returns the ids of which the server has said that they are there */
const write = async (
  shop: TestInstallation,
  {
    name,
    firstId,
    signal,
  }: { readonly name: string; readonly firstId: number; readonly signal: AbortSignal },
): Promise<number[]> => {
  const confirmed: number[] = [];
  for (let id = firstId; !signal.aborted; id += 3) {
    try {
      await shop.run(
        name,
        `begin;
         insert into orders select n, 'new' from generate_series(${id}, ${id + 2}) n;
         update orders set note = 'changed' where id between ${Math.max(firstId, id - 30)} and ${id - 20};
         commit`,
      );
      confirmed.push(id, id + 1, id + 2);
    } catch (error) {
      // The server is down; whether the last transaction was committed is not known.
      if (!isReplicationError(error, 'database_unreachable')) throw error;
      await wait(20);
    }
  }
  return confirmed;
};

const idsOn = async (shop: TestInstallation, name: string): Promise<Set<number>> => {
  await using session = await shop.database(name).session();
  const rows = await session.query(sql`select id from public.orders`);
  return new Set(rows.map(({ id }) => Number(id)));
};

it.each([
  { what: 'a source', stopped: ['A'] },
  { what: 'a target', stopped: ['C'] },
  { what: 'a source and a target', stopped: ['A', 'C'] },
] as const)('after $what was stopped nobody is needed, and nothing is lost', async ({ stopped }) => {
  await using a = await startServer({ settings });
  await using c = await startServer({ settings });
  const servers: Readonly<Record<'A' | 'C', Server>> = { A: a, C: c };
  const shop = await createInstallation({
    roles: { A: 'source', B: 'source', C: 'target' },
    servers,
    schema,
    tables: ['orders'],
  });
  shop.startDaemon();
  const writing = new AbortController();
  const writers = [
    write(shop, { name: 'A', firstId: 1, signal: writing.signal }),
    write(shop, { name: 'B', firstId: 1_000_000, signal: writing.signal }),
  ];
  for (let turn = 0; turn < 3; turn += 1) {
    await vi.waitFor(async () => expect((await idsOn(shop, 'C')).size).toBeGreaterThan(30 * (turn + 1)), {
      timeout: 60_000,
      interval: 100,
    });
    await Promise.all(stopped.map((name) => servers[name].stop('immediate')));
    await wait(200 * turn);
    await Promise.all(stopped.map((name) => servers[name].start()));
  }
  await shop.run('B', `insert into orders values (0, 'after the last start')`);
  await vi.waitFor(async () => expect(await idsOn(shop, 'C')).toContain(0), {
    timeout: 60_000,
    interval: 20,
  });
  writing.abort();
  const confirmed = (await Promise.all(writers)).flat();
  await shop.equal(60_000);
  const there = await idsOn(shop, 'C');
  expect(confirmed.length).toBeGreaterThan(100);
  expect(confirmed.filter((id) => !there.has(id))).toEqual([]);
  for (const name of ['A', 'C']) await shop.eventually(name, { state: 'idle', lastError: null }, 30_000);
});
