/** Targets that have much to read from the same position at the same time: the source is read once for all of them. */
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import type { FaultPoint } from '../../src/replication/fault-point.ts';
import { createGang, type Gang } from '../support/gang.ts';

const tables = ['items', 'others'];
const schema = tables
  .map((name) => `create table ${name} (id bigint primary key, note text not null)`)
  .join(';');
const roles = { A: 'source', B: 'target', C: 'target', D: 'target' } as const;
const names = ['B', 'C', 'D'];
const fill = tables
  .map((name) => `insert into ${name} select i, md5(i::text) from generate_series(1, 20000) i`)
  .join(';');

const shop = async (): Promise<Gang> => {
  const gang = await createGang({ roles, schema, tables });
  gang.readTogether();
  return gang;
};

/** A round for each, at the same time. */
const rounds = async (gang: Gang, ...written: string[]): Promise<Record<string, unknown>> =>
  Object.assign({}, ...(await Promise.all(written.map((name) => gang.round(name)))));

/** Sessions on the source that are in a transaction. */
const readersOf = async (gang: Gang): Promise<number> => {
  const [row] = await gang.on('A').query(sql`
    select count(*) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null`);
  return Number(row?.['count']);
};

const good = (rowCount: number): object => ({
  kind: 'good',
  applied: { inserted: rowCount, updated: 0, deleted: 0 },
});

/** Calls `then` once, when the first rows of this many tables have come to written databases. */
const whenCopying = (gang: Gang, count: number, then: () => Promise<void>): void => {
  let left = count;
  const { promise, resolve } = Promise.withResolvers<void>();
  gang.at(async (point) => {
    if (point !== 'copying' || left <= 0) return;
    left -= 1;
    if (left === 0) await then().finally(resolve);
    await promise;
  });
};

test('one reads for all, and all arrives everywhere', async () => {
  await using gang = await shop();
  await gang.run('A', fill);
  const readers: number[] = [];
  whenCopying(gang, 3, async () => void readers.push(await readersOf(gang)));
  expect(await rounds(gang, ...names)).toMatchObject({
    B: good(40_000),
    C: good(40_000),
    D: good(40_000),
  });
  expect(readers).toEqual([1]);
  await gang.expectEqual();
  await gang.run(
    'A',
    `update items set note = 'x' || note; delete from others where id % 3 = 0; insert into others select i, 'new' from generate_series(20001, 40000) i`,
  );
  await rounds(gang, ...names);
  await gang.expectEqual();
});

test('where one has rows already, each gets them in the form that it needs', async () => {
  await using gang = await shop();
  await gang.run('D', `insert into items select i, 'older' from generate_series(1, 5) i`);
  await gang.run('A', fill);
  expect(await rounds(gang, ...names)).toMatchObject({
    B: good(40_000),
    C: good(40_000),
    D: { kind: 'good', applied: { inserted: 39_995, updated: 5, deleted: 0 } },
  });
  await gang.expectEqual();
});

test('who stands elsewhere reads for itself', async () => {
  await using gang = await shop();
  await gang.run('A', fill);
  await rounds(gang, 'B', 'C');
  await gang.run('A', `update items set note = 'newer'`);
  const readers: number[] = [];
  whenCopying(gang, 3, async () => void readers.push(await readersOf(gang)));
  await rounds(gang, ...names);
  expect(readers).toEqual([2]);
  await gang.expectEqual();
});

test('who has little to read is waited for by nobody', async () => {
  await using gang = await shop();
  await gang.run('A', fill);
  await rounds(gang, ...names);
  await gang.run('A', `update items set note = 'few' where id = 7`);
  const readers: number[] = [];
  gang.at(async (point) => {
    if (point === 'loaded') readers.push(await readersOf(gang));
  });
  await rounds(gang, ...names);
  expect(readers).toHaveLength(3);
  await gang.expectEqual();
});

test('a copy to several is read once', async () => {
  await using gang = await createGang({ roles, schema, tables, options: { onetimecopy: 1 } });
  gang.readTogether();
  await gang.run('A', fill);
  const readers: number[] = [];
  whenCopying(gang, 3, async () => void readers.push(await readersOf(gang)));
  expect(await rounds(gang, ...names)).toMatchObject({
    B: { kind: 'good', isCopy: true },
    C: { kind: 'good', isCopy: true },
    D: { kind: 'good', isCopy: true },
  });
  expect(readers).toEqual([1]);
  await gang.expectEqual();
});

test('who keeps the others waiting is left behind, and then reads for itself', async () => {
  await using gang = await shop();
  await gang.run('A', fill);
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  gang.at(async (point, { name }) => {
    if (point === 'copying' && name === 'C') await released;
  });
  const slow = gang.round('C');
  const others = await rounds(gang, 'B', 'D');
  expect(others).toMatchObject({ B: good(40_000), D: good(40_000) });
  release();
  expect(await slow).toMatchObject({
    C: { kind: 'bad', error: { code: 'left_behind', facts: { database: 'C', source: 'A' } } },
  });
  await gang.run('A', `update others set note = 'later'`);
  const readers: number[] = [];
  whenCopying(gang, 3, async () => void readers.push(await readersOf(gang)));
  await rounds(gang, ...names);
  expect(readers).toEqual([2]);
  await gang.expectEqual();
});

test('who has fallen silent before it asks for rows is left behind', async () => {
  await using gang = await shop();
  await gang.run('A', fill);
  const stopped: number[] = [];
  let plannedCount = 0;
  gang.at(async (point, { name }) => {
    if (point !== 'changes_read' || name !== 'C') return;
    plannedCount += 1;
    // The first time is its own plan, which shows that it has much to read.
    if (plannedCount !== 2) return;
    const sessions = await gang.on('C').query(sql`
      select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`);
    for (const { pid } of sessions) {
      stopped.push(Number(pid));
      process.kill(Number(pid), 'SIGSTOP');
    }
  });
  try {
    expect(await rounds(gang, ...names)).toMatchObject({
      B: good(40_000),
      C: { kind: 'bad', error: { code: 'left_behind' } },
      D: good(40_000),
    });
  } finally {
    for (const pid of stopped) process.kill(pid, 'SIGCONT');
  }
  await gang.expectEqual();
});

test('a target whose table is locked hinders nobody', async () => {
  await using gang = await shop();
  await gang.run('A', fill);
  const blocker = await gang.another('C');
  await blocker.script(sql`begin`, sql`lock table public.items in access exclusive mode`);
  const blocked = gang.round('C');
  expect(await rounds(gang, 'B', 'D')).toMatchObject({ B: good(40_000), D: good(40_000) });
  expect(await blocked).toMatchObject({ C: { kind: 'bad', error: { code: 'given_way' } } });
  await blocker.script(sql`rollback`);
  await gang.expectEqual();
});

test('a target that is lost under way hinders nobody', async () => {
  await using gang = await shop();
  await gang.run('A', fill);
  await gang.run('C', 'alter table others add check (id < 10)');
  let copying = 0;
  gang.at(async (point, { name }) => {
    if (point !== 'copying') return;
    copying += 1;
    if (name === 'D' && copying > 3)
      await gang.on('D').query(sql`
        select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null`);
  });
  expect(await rounds(gang, ...names)).toMatchObject({
    B: good(40_000),
    C: { kind: 'bad', error: { code: 'row_refused', facts: { table: 'others' } } },
    D: { kind: 'bad', error: { code: 'database_unreachable' } },
  });
  await gang.run('C', 'alter table others drop constraint others_id_check');
  gang.at(async () => undefined);
  await gang.expectEqual();
});

// Fails when who has had rows read by another commits them whether they can be relied on or not.
test('a table that is rewritten under a shared read is read again for all', async () => {
  await using gang = await shop();
  await gang.run('A', fill);
  let openedCount = 0;
  gang.at(async (point) => {
    if (point !== 'source_opened') return;
    openedCount += 1;
    // For the snapshots, all of which are taken, the table is empty from now on.
    if (openedCount === 3)
      await gang.run('A', `alter table items alter column note type text using note || ''`);
  });
  const bad = { kind: 'bad', error: { code: 'table_altered' } };
  expect(await failures(gang)).toMatchObject({ B: bad, C: bad, D: bad });
  expect(await gang.rows('B', 'items')).toEqual([]);
  await gang.expectEqual();
});

/** Of a round for each, what it has come to, also where it has failed as a whole. */
const failures = async (gang: Gang): Promise<Record<string, unknown>> => {
  const outcomes = names.map(async (name) => {
    const outcome = await gang.round(name).catch((error: unknown) => ({ [name]: { kind: 'bad', error } }));
    return [name, outcome[name]];
  });
  return Object.fromEntries(await Promise.all(outcomes));
};

test.each(['copying', 'loaded'] as const)(
  'a source that is lost at "%s" fails all, and nothing is lost',
  async (lostAt: FaultPoint) => {
    await using gang = await shop();
    await gang.run('A', fill);
    let isLost = false;
    gang.at(async (point) => {
      if (point !== lostAt || isLost) return;
      isLost = true;
      await gang.on('A').query(sql`
        select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null`);
      // The daemon's side hears of it.
      await wait(200);
    });
    const bad = { kind: 'bad', error: { code: 'database_unreachable', facts: { database: 'A' } } };
    expect(await failures(gang)).toMatchObject({ B: bad, C: bad, D: bad });
    expect(await gang.rows('B', 'items')).toEqual([]);
    gang.at(async () => undefined);
    await gang.expectEqual();
  },
);
