/**
 * A client holds a lock that a round needs for a full minute: a row on a source and on a target, then a whole table on a source.
 *
 * Seen to fail: without a lock timeout in `lock-settings.ts` applications queue behind the round; without the one of sessions that
 * read (`reader.ts`) other syncs of the source come to a stand.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { readSyncStates } from '../../src/control/sync-state.ts';
import type { Session } from '../../src/pg/session.ts';
import { type Sql, sql } from '../../src/pg/sql.ts';
import { createSeveralSyncs, equalTables } from './several-syncs.ts';
import { again, together, type Work } from '../support/workload.ts';
import { createInstallation, type TestInstallation } from './installation.ts';

const schema = `create table item (id int primary key, note text); create table other (id int primary key, note text);
  insert into item select n, 'start' from generate_series(1, 10) n`;

const hold = async (shop: TestInstallation, name: string, lock: Sql): Promise<Session> => {
  const session = await shop.database(name).session('patient');
  await session.script(sql`begin`, lock);
  return session;
};

test('a row: the others go on, the reason is told, no application waits for long behind the round, and it ends by itself', {
  timeout: 180_000,
}, async () => {
  const shop = await createInstallation({
    roles: { A: 'source', B: 'source', C: 'target', D: 'target' },
    schema,
    tables: ['item', 'other'],
  });
  shop.startDaemon();
  await shop.run('A', `insert into other values (0, 'ready')`);
  await shop.equal(20_000);
  const lock = sql`select from public.item where id = 1 for update`;
  const holders = [await hold(shop, 'B', lock), await hold(shop, 'C', lock)];
  await shop.run('A', `update item set note = 'changed' where id in (1, 2, 3)`);

  const longest = { B: 0, C: 0 };
  /** Changes a row that the round wants too, and has got when it waits for the other one. */
  const application =
    (name: 'B' | 'C'): Work =>
    async (isOver) => {
      const session = await shop.database(name).session('application');
      await again(20, async (step) => {
        const startedAt = performance.now();
        await session.script(sql`update public.item set note = ${`${name}${step}`} where id = 2`);
        longest[name] = Math.max(longest[name], performance.now() - startedAt);
      })(isOver);
    };
  const flow: Work = again(1_000, async (step) => {
    await shop.run('A', `insert into other values (${step + 1}, 'flows')`);
    await vi.waitFor(async () => expect((await shop.rows('D', 'other')).length).toBe(step + 2), {
      timeout: 10_000,
      interval: 20,
    });
  });
  const watch: Work = async () => {
    for (const name of ['B', 'C'])
      await shop.eventually(
        name,
        { state: 'retrying', lastError: expect.objectContaining({ code: 'given_way' }) as never },
        20_000,
      );
    expect(await shop.state('D')).toMatchObject({ lastError: null });
  };
  await together(60_000, [application('B'), application('C'), flow, watch]);

  for (const session of holders) await session.script(sql`commit`);
  await vi.waitFor(
    async () => {
      for (const name of ['B', 'C', 'D'])
        expect(await shop.rows(name, 'item')).toEqual(expect.arrayContaining(['(1,changed)', '(3,changed)']));
    },
    { timeout: 60_000, interval: 50 },
  );
  expect(Math.max(longest.B, longest.C)).toBeLessThan(2_000);
  for (const name of ['A', 'B', 'C', 'D'])
    await shop.eventually(name, { state: 'idle', lastError: null }, 20_000);
});

test('whole tables: other syncs of the source go on, however many wait for it, and the reason is told', {
  timeout: 120_000,
}, async () => {
  const { shop, tables } = await createSeveralSyncs(8);
  shop.startDaemon();
  await shop.run('A', tables.map((table) => `insert into ${table} values (0, 'ready')`).join('; '));
  await equalTables(shop, tables);
  const locked = tables.slice(0, 6);
  const free = tables.slice(6);
  const [writer, holder] = [
    await shop.database('A').session('writer'),
    await shop.database('A').session('patient'),
  ];
  await writer.script(
    sql`begin`,
    ...locked.map((table) => sql`insert into ${sql.id('public', table)} values (1, 'unread')`),
  );
  // It stands in the queue before any round does.
  const held = holder.script(
    sql`begin`,
    sql`lock table ${sql.join(locked.map((table) => sql.id('public', table)))}`,
  );
  await wait(300);
  await writer.script(sql`commit`);
  await held;
  const arrivals: number[] = [];
  await together(15_000, [
    again(300, async (step) => {
      const startedAt = performance.now();
      await shop.run(
        'A',
        free.map((table) => `insert into ${table} values (${step + 1}, 'flows')`).join('; '),
      );
      await equalTables(shop, free, 10_000);
      arrivals.push(performance.now() - startedAt);
    }),
  ]);
  const states = await shop.store.transaction(readSyncStates);
  const waiting = states.filter(({ lastError }) => lastError?.code === 'given_way').map(({ sync }) => sync);
  expect(waiting.sort()).toEqual(['shop', ...locked.slice(1)].sort());
  await holder.script(sql`commit`);
  await equalTables(shop, tables, 60_000);
  expect(Math.max(...arrivals)).toBeLessThan(10_000);
});
