/**
 * Applications that lock rows in the opposite order of the rounds: it is the round that gives way, never the application.
 *
 * Seen to fail: with the deadlock_timeout of the server for sessions of rounds too, and with a lock timeout that does not follow it
 * (`lock-settings.ts`), an application is the victim, and a migration with sessions that read without either (`reader.ts`); with no
 * lock timeout hardly a round succeeds.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { isReplicationError } from '../../src/model/errors.ts';
import type { Session } from '../../src/pg/session.ts';
import { sql } from '../../src/pg/sql.ts';
import { startServer } from '../../tools/embedded-postgres.ts';
import { createGang, type Gang } from '../support/gang.ts';
import { again, together, type Work } from '../support/workload.ts';

const roles = { A: 'source', B: 'source' } as const;
const schema = `create table item (id int primary key, note text); insert into item select n, 'start' from generate_series(1, 30) n`;

const hold = async (gang: Gang, id: number): Promise<Session> => {
  const session = await gang.another('B');
  await session.script(sql`begin`, sql`select from public.item where id = ${id}::int for update`);
  return session;
};

/** A round of Tahr waits for somebody who holds a row. */
const roundWaits = (gang: Gang, name = 'B'): Promise<void> =>
  vi.waitFor(
    async () => {
      const waiting = await gang.on(name).query(sql`
        select from pg_stat_activity
         where datname = current_database() and application_name = 'tahr' and wait_event_type = 'Lock'`);
      expect(waiting).toHaveLength(1);
    },
    { timeout: 10_000, interval: 5 },
  );

// Fails when a round looks for deadlocks no sooner than applications (npm run mutate).
it('gives way to an application that has waited for it for longer than it waits itself', async () => {
  await using gang = await createGang({ roles, schema, tables: ['item'] });
  await gang.run('A', `update item set note = 'A' where id in (1, 5, 7, 10)`);
  const [first, second, application] = [await hold(gang, 5), await hold(gang, 7), await hold(gang, 10)];
  const round = gang.round('B');
  await roundWaits(gang);
  // From now on the application waits for row 1, which the round has. After a second its server looks for a deadlock.
  const applied = application.script(sql`update public.item set note = 'B' where id = 1`, sql`commit`);
  await wait(320);
  await first.script(sql`commit`);
  await wait(350);
  await second.script(sql`commit`);
  await applied;
  expect(await round).toMatchObject({ B: { kind: 'bad', error: { code: 'given_way' } } });
  await gang.expectEqual();
  expect(await gang.rows('A', 'item')).toContain('(1,B)');
});

it('gives way also where the server looks for deadlocks very early', async () => {
  await using server = await startServer({ settings: { fsync: 'off', deadlock_timeout: '150ms' } });
  await using gang = await createGang({ roles, schema, tables: ['item'], servers: { B: server } });
  await gang.run('A', `update item set note = 'A' where id in (1, 10)`);
  const application = await hold(gang, 10);
  const round = gang.round('B');
  await roundWaits(gang);
  await application.script(sql`update public.item set note = 'B' where id = 1`, sql`commit`);
  expect(await round).toMatchObject({ B: { kind: 'bad', error: { code: 'given_way' } } });
  await gang.expectEqual();
});

it('gives way to a migration that locks the tables that it reads the other way round', async () => {
  await using gang = await createGang({
    roles: { A: 'source', B: 'target' },
    schema:
      'create table first (id int primary key); create table second (id int primary key); create table third (id int primary key)',
    tables: ['first', 'second', 'third'],
  });
  await gang.run(
    'A',
    'insert into first values (1); insert into second values (1); insert into third values (1)',
  );
  const [other, migration] = [await gang.another('A'), await gang.another('A')];
  await other.script(sql`begin`, sql`lock table public.second`);
  await migration.script(sql`begin`, sql`alter table public.third add column note text`);
  const round = gang.round('B');
  await roundWaits(gang, 'A');
  // It waits for the first table, which the round has read. When the second is free, the round would come to wait for the third.
  const migrated = migration.script(sql`alter table public.first add column note text`, sql`rollback`);
  await wait(650);
  await other.script(sql`commit`);
  await migrated;
  expect(await round).toMatchObject({ B: { kind: 'bad', error: { code: 'given_way' } } });
  await gang.expectEqual();
});

it('comes to its end between applications that lock the other way round again and again, none of which ever fails', {
  timeout: 120_000,
}, async () => {
  await using gang = await createGang({ roles, schema, tables: ['item'] });
  let transactions = 0;
  /** Each has two rows for itself, so that they have nothing to do with each other. */
  const application =
    (name: string, pair: number): Work =>
    async (isOver) => {
      const session = await gang.another(name);
      const change = (id: number) =>
        sql`update public.item set note = ${name} || clock_timestamp() where id = ${id}::int`;
      await again(0, async () => {
        await session.script(sql`begin`, change(20 + pair));
        await wait(Math.random() * 30);
        await session.script(change(pair), sql`commit`);
        transactions += 1;
        await wait(Math.random() * 200);
      })(isOver);
    };
  const outcomes = { good: 0, empty: 0, bad: 0 };
  const lane: Work = async (isOver) => {
    while (!isOver()) {
      for (const outcome of Object.values(await gang.round())) {
        if (outcome.kind === 'bad' && !isReplicationError(outcome.error, 'given_way')) throw outcome.error;
        outcomes[outcome.kind] += 1;
      }
    }
  };
  await together(8_000, [
    lane,
    ...[1, 2, 3, 4].flatMap((pair) => [application('A', pair), application('B', pair)]),
  ]);
  await gang.expectEqual();
  expect(transactions).toBeGreaterThan(200);
  expect(outcomes.bad).toBeGreaterThan(5);
  expect(outcomes.good).toBeGreaterThan(5);
});
