import { setTimeout as wait } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase, databaseOn, type TestDatabase } from '../../../test/support/databases.ts';
import { startServer } from '../../../tools/embedded-postgres.ts';
import type { DatabaseId, RelationId } from '../../model/topology.ts';
import { connect } from '../../pg/conninfo.ts';
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { installCapture } from './capture.ts';
import { readControlWord } from './control-word.ts';
import { segmentTables } from './delta.ts';
import { installSchema } from './identity.ts';
import { readTables } from './introspect.ts';
import { createWatch, type WatchState } from './watch.ts';

const schema = 'tahr';

const prepare = async (database: TestDatabase): Promise<Session> => {
  const session = await database.session();
  await session.script(
    sql`create table public.t (id int primary key)`,
    sql`create table public.u (id int primary key)`,
  );
  await installSchema(session, {
    schema,
    installation: '11111111-1111-1111-1111-111111111111',
    database: 1 as DatabaseId,
  });
  const names = ['t', 'u'].map((name) => ({ relation: { schema: 'public', name }, keyIndex: null }));
  const tables = await readTables(session, names, { schema, oldestVersion: 130000 });
  const requests = tables.flatMap((table, index) =>
    table === null ? [] : [{ id: (index + 1) as RelationId, table }],
  );
  await installCapture(session, { schema, tables: requests, signal: new AbortController().signal });
  return session;
};

/** Watches until the test has finished; what it tells is collected. */
const watch = async (
  database: TestDatabase,
): Promise<{ changes: (number[] | 'all')[]; states: WatchState[] }> => {
  const changes: (number[] | 'all')[] = [];
  const states: WatchState[] = [];
  const service = createWatch({
    schema,
    connect: () => connect(database.parameters, { label: 'A', applicationName: 'watch' }),
    clock: systemClock,
    random: () => 0.5,
    onChange: (tables) => changes.push(tables === 'all' ? 'all' : [...tables].sort()),
    onState: (state) => states.push(state),
  });
  await service.start();
  onTestFinished(() => service.stop());
  return { changes, states };
};

const isArmed = async (session: Session): Promise<boolean> =>
  (await readControlWord(session, schema)).isArmed;

test('a change is told at once, with its table, also when the triggers were armed', async () => {
  const database = await createDatabase('watch');
  const session = await prepare(database);
  const { changes, states } = await watch(database);
  await expect.poll(() => isArmed(session)).toBe(true);
  expect(states).toEqual(['watching']);
  changes.length = 0;
  const started = performance.now();
  await session.script(sql`insert into public.u values (1)`);
  await expect.poll(() => changes[0], { interval: 2 }).toEqual([2]);
  expect(performance.now() - started).toBeLessThan(150);
  expect(await session.query(sql`select 1`)).toHaveLength(1);
});

test('a writer whose snapshot is older than the arming is not missed', async () => {
  const database = await createDatabase('race');
  const session = await prepare(database);
  const writer = await database.session();
  await writer.script(sql`begin isolation level repeatable read`, sql`insert into public.t values (1)`);
  const { changes } = await watch(database);
  await expect.poll(() => isArmed(session)).toBe(true);
  changes.length = 0;
  await writer.script(sql`commit`);
  await expect.poll(() => changes).toEqual([[1]]);
});

test('a change that is committed while the watch is looking is told', async () => {
  const database = await createDatabase('during');
  const session = await prepare(database);
  const [writer, blocker] = [await database.session(), await database.session()];
  const { changes } = await watch(database);
  await expect.poll(() => isArmed(session)).toBe(true);
  changes.length = 0;
  await writer.script(sql`begin`, sql`insert into public.t values (1)`);
  // One of the segments that the writer has not touched: the look takes its snapshot, and then waits for this lock.
  const [shape] = await session.query(sql`select id from tahr.shape`);
  const segment = segmentTables(schema, Number(shape?.['id']))[2] ?? sql.empty;
  await blocker.script(sql`begin`, sql`lock table ${segment} in access exclusive mode`);
  await session.query(sql`select pg_current_xact_id()`);
  // It looks once a second.
  await expect
    .poll(
      () =>
        session.query(
          sql`select from pg_locks where not granted and relation = ${segment.inlined()}::regclass`,
        ),
      { timeout: 20_000 },
    )
    .toHaveLength(1);
  await writer.script(sql`commit`);
  await blocker.script(sql`commit`);
  await expect.poll(() => changes).toContainEqual([1]);
  await expect.poll(() => isArmed(session)).toBe(true);
  expect(new Set(changes.flat())).toEqual(new Set([1]));
});

test('statements that change nothing wake nobody', async () => {
  const database = await createDatabase('quiet');
  const session = await prepare(database);
  const { changes } = await watch(database);
  await expect.poll(() => isArmed(session)).toBe(true);
  changes.length = 0;
  await session.script(sql`update public.t set id = 2 where id = 1`, sql`create table public.other (a int)`);
  await expect.poll(() => isArmed(session)).toBe(true);
  expect(changes).toEqual([]);
});

/** Long after triggers would be armed. */
const quietMs = 1_500;

// Fails when triggers notify where transactions can be prepared (npm run mutate).
test('where two-phase commit is possible the triggers never notify, and changes are found all the same', async () => {
  await using server = await startServer({ settings: { fsync: 'off', max_prepared_transactions: '5' } });
  await using database = await databaseOn(server, 'prepared');
  const session = await prepare(database);
  const { changes } = await watch(database);
  await expect.poll(() => changes).toEqual(['all']);
  await wait(quietMs);
  await session.script(sql`begin`, sql`insert into public.t values (1)`, sql`prepare transaction 'x'`);
  expect(await isArmed(session)).toBe(false);
  await session.query(sql`commit prepared 'x'`);
  await expect.poll(() => changes.at(-1)).toEqual([1]);
});

test('a database that stops is unreachable, and watched again by itself when it is back', async () => {
  await using server = await startServer({ settings: { fsync: 'off' } });
  await using database = await databaseOn(server, 'restart');
  const session = await prepare(database);
  const { changes, states } = await watch(database);
  await expect.poll(() => states).toEqual(['watching']);
  await session.close();
  await server.stop('fast');
  await expect.poll(() => states).toEqual(['watching', 'unreachable']);
  await server.start();
  await expect.poll(() => states, { timeout: 10_000 }).toEqual(['watching', 'unreachable', 'watching']);
  changes.length = 0;
  const again = await database.session();
  await again.script(sql`insert into public.t values (1)`);
  await expect.poll(() => changes.at(-1)).toEqual([1]);
});

test('a watch that is hurried does not wait before it connects again', async () => {
  await using server = await startServer({ settings: { fsync: 'off' } });
  await using database = await databaseOn(server, 'hurried');
  await (await prepare(database)).close();
  const states: WatchState[] = [];
  const patient: Clock = {
    ...systemClock,
    // The wait before the next connection does not end by itself; the looks are closer together.
    sleep: (durationMs, signal) => systemClock.sleep(durationMs > 250 ? 3_600_000 : durationMs, signal),
  };
  const service = createWatch({
    schema,
    connect: () => connect(database.parameters, { label: 'A', applicationName: 'watch' }),
    clock: patient,
    random: () => 0.999,
    onChange: () => undefined,
    onState: (state) => states.push(state),
  });
  await service.start();
  onTestFinished(() => service.stop());
  await expect.poll(() => states).toEqual(['watching']);
  await server.stop('fast');
  await expect.poll(() => states).toEqual(['watching', 'unreachable']);
  await server.start();
  service.hurry();
  await expect.poll(() => states, { timeout: 5_000 }).toEqual(['watching', 'unreachable', 'watching']);
});

test('a bug in what is done with a change is told, and the watch begins anew', async () => {
  const database = await createDatabase('bug');
  await prepare(database);
  const told: [WatchState, unknown][] = [];
  const bug = new TypeError('a bug');
  let isFirst = true;
  const service = createWatch({
    schema,
    connect: () => connect(database.parameters, { label: 'A', applicationName: 'watch' }),
    clock: systemClock,
    random: () => 0,
    onChange: () => {
      if (!isFirst) return;
      isFirst = false;
      throw bug;
    },
    onState: (...state) => told.push(state),
  });
  await service.start();
  onTestFinished(() => service.stop());
  await expect
    .poll(() => told)
    .toEqual([
      ['watching', null],
      ['unreachable', bug],
      ['watching', null],
    ]);
});
