/** The daemon as a process of its own: signals and exit codes. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { addDatabase } from '../../src/control/database.ts';
import { setDbGroupMembers } from '../../src/control/dbgroup.ts';
import { listDaemons } from '../../src/control/daemon.ts';
import { readSyncStates } from '../../src/control/sync-state.ts';
import { sql } from '../../src/pg/sql.ts';
import { end, startProcess } from './daemon-process.ts';
import { createInstallation, type TestInstallation } from './installation.ts';

const oneWay = {
  roles: { A: 'source', B: 'target' },
  schema: 'create table items (id int primary key, name text)',
  tables: ['items'],
} as const;

/** Makes every round on B last for a minute. */
const hang = async (shop: TestInstallation): Promise<void> => {
  const session = await shop.database('B').session();
  await session.script(
    sql.verbatim(`create function public.hang() returns trigger language plpgsql as 'begin perform pg_catalog.pg_sleep(60); return new; end';
      create trigger hang before insert on public.items for each row execute function public.hang();
      alter table public.items enable always trigger hang`),
  );
  await shop.run('A', `insert into items values (1, 'one')`);
};

test('SIGTERM ends an idle daemon at once with exit code 0', async () => {
  const shop = await createInstallation(oneWay);
  const child = startProcess(shop);
  await shop.eventually('B', { state: 'idle' }, 20_000);
  expect(await end(child, 'SIGTERM')).toMatchObject({ code: 0 });
  expect(await shop.store.transaction(listDaemons)).toEqual([]);
});

test('SIGTERM cuts off a round that cannot end, within seconds', async () => {
  const shop = await createInstallation(oneWay);
  await hang(shop);
  const child = startProcess(shop);
  await shop.eventually('B', { state: 'running' }, 20_000);
  const { code, ms } = await end(child, 'SIGTERM');
  expect(code).toBe(0);
  expect(ms).toBeLessThan(8_000);
});

test('a second signal ends the daemon at once', async () => {
  const shop = await createInstallation(oneWay);
  await hang(shop);
  const child = startProcess(shop);
  await shop.eventually('B', { state: 'running' }, 20_000);
  child.kill('SIGTERM');
  await new Promise((resolve) => setTimeout(resolve, 300));
  const { code, ms } = await end(child, 'SIGINT');
  expect(code).not.toBe(0);
  expect(ms).toBeLessThan(1_500);
});

test('a database that takes connections and never answers delays neither the others nor the end', async () => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  onTestFinished(() => void silent.close());
  const shop = await createInstallation(oneWay);
  await shop.store.transaction(async (db) => {
    const parameters = {
      host: '127.0.0.1',
      port: String((silent.address() as AddressInfo).port),
      user: 'x',
      dbname: 'x',
    };
    await addDatabase(db, { name: 'S', status: 'active', makedelta: false, parameters });
    await setDbGroupMembers(db, 'everywhere', [
      { database: 'A', role: 'source' },
      { database: 'B', role: 'target' },
      { database: 'S', role: 'target' },
    ]);
  });
  const child = startProcess(shop);
  await shop.run('A', `insert into items values (1, 'one')`);
  await shop.eventually('B', { totals: { inserted: 1, updated: 0, deleted: 0, conflicts: 0 } }, 10_000);
  const { code, ms } = await end(child, 'SIGTERM');
  expect(code).toBe(0);
  expect(ms).toBeLessThan(8_000);
});

test('four sources end equal, and lose nothing, when the daemon is killed again and again while all are written to', async () => {
  const names = ['A', 'B', 'C', 'D'];
  const shop = await createInstallation({
    roles: { A: 'source', B: 'source', C: 'source', D: 'source' },
    schema: 'create table items (id bigint primary key, name text, n int not null default 0)',
    tables: ['items'],
  });
  const writing = new AbortController();
  const written = new Map<string, number>();
  const writers = names.map(async (name, index) => {
    for (let n = 0; !writing.signal.aborted; n += 1) {
      const own = (index + 1) * 1_000 + (n % 50);
      await shop.run(name, `${put(own, name)}; ${put(n % 20, name)}`);
      written.set(name, (written.get(name) ?? 0) + 1);
      await sleep(5);
    }
  });
  for (let kill = 0; kill < 4; kill += 1) {
    const child = startProcess(shop);
    await moves(shop);
    await sleep(Math.random() * 1_500);
    await end(child, 'SIGKILL');
    await shop.forgetDaemons();
  }
  writing.abort();
  await Promise.all(writers);
  startProcess(shop);
  await shop.equal(60_000);
  const sums = await shop.rows('A', 'items');
  for (const [index, name] of names.entries()) {
    const own = sums.filter((row) => Math.floor(Number(row.slice(1).split(',')[0]) / 1_000) === index + 1);
    const changes = own.reduce((sum, row) => sum + Number(row.slice(0, -1).split(',')[2]), 0);
    expect(changes, `changes of rows that only ${name} writes`).toBe(written.get(name));
  }
}, 180_000);

/** Rounds carry something. */
const moves = async (shop: TestInstallation): Promise<void> => {
  const total = async (): Promise<number> => {
    const states = await shop.store.transaction(readSyncStates);
    return states.reduce((sum, { totals }) => sum + totals.inserted + totals.updated, 0);
  };
  const before = await total();
  await vi.waitFor(async () => expect(await total()).toBeGreaterThan(before), {
    timeout: 30_000,
    interval: 50,
  });
};

/** Counts how often the row was written. */
const put = (id: number, name: string): string =>
  `insert into items values (${id}, '${name}', 1) on conflict (id) do update set name = excluded.name, n = items.n + 1`;
