import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../test/support/databases.ts';
import { isReplicationError } from '../../model/errors.ts';
import type { DatabaseId, RelationId, SyncId } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { installCapture } from './capture.ts';
import { acknowledge, canServe, decodeFloors, registerConsumer, selectFloors } from './consumer.ts';
import { readControlWord } from './control-word.ts';
import { keepCapturing } from './deadline.ts';
import { segmentTables } from './delta.ts';
import { installSchema } from './identity.ts';
import { readTables } from './introspect.ts';
import { isBeyond, type Snapshot, takeSnapshot } from './position.ts';
import { rotateSegments } from './segments.ts';

const schema = 'tahr';
const consumer = { sync: '22222222-2222-2222-2222-222222222222' as SyncId, database: 2 as DatabaseId };
const ageMs = 100_000;

const prepare = async (database: TestDatabase): Promise<Session> => {
  const session = await database.session();
  await session.script(sql`create table public.t (id int primary key, v int)`);
  const owner = { schema, installation: '11111111-1111-1111-1111-111111111111', database: 1 as DatabaseId };
  await installSchema(session, owner);
  await registerConsumer(session, { schema, consumer, tables: [1 as RelationId] });
  const relation = { schema: 'public', name: 't' };
  const [table] = await readTables(session, [{ relation, keyIndex: null }], {
    schema,
    oldestVersion: 130000,
  });
  if (!table) throw new Error('no table');
  const { signal } = new AbortController();
  await installCapture(session, { schema, tables: [{ id: 1 as RelationId, table }], signal });
  return session;
};

const canServeNow = async (session: Session, position: Snapshot): Promise<boolean> => {
  const floors = decodeFloors(await session.query(selectFloors(schema, consumer.sync)));
  return canServe(position, floors.get(consumer.database));
};

const unread = sql`select k1::text as key from `;
const readSince = async (
  session: Session,
  position: Snapshot,
): Promise<{ keys: string[]; next: Snapshot }> => {
  const selects = segmentTables(schema, 1).map(
    (segment) => sql`${unread}${segment} where ${isBeyond(sql`xid`, position)}`,
  );
  const [, taken, rows] = await session.script(
    sql`begin isolation level repeatable read read only`,
    sql`select pg_current_snapshot()::text as snapshot`,
    sql.join(selects, ' union all '),
    sql`commit`,
  );
  return {
    keys: (rows ?? []).map((row) => row['key'] as string),
    next: taken?.[0]?.['snapshot'] as Snapshot,
  };
};

// Fails when a segment is truncated whether somebody still needs it or not (npm run mutate).
test('what is not acknowledged is kept, and what is acknowledged goes', async () => {
  const session = await prepare(await createDatabase('rotate'));
  await session.script(sql`insert into public.t values (1)`);
  expect(await rotateSegments(session, { schema, ageMs })).toMatchObject({
    switchedTo: 1,
    truncatedCount: 0,
  });
  expect(await rotateSegments(session, { schema, ageMs })).toMatchObject({
    switchedTo: null,
    truncatedCount: 0,
  });
  const position = await takeSnapshot(session);
  await session.script(acknowledge(schema, consumer, { snapshot: position, incarnation: 0n }));
  expect(await rotateSegments(session, { schema, ageMs })).toMatchObject({
    switchedTo: null,
    truncatedCount: 1,
  });
  expect((await rotateSegments(session, { schema, ageMs })).bytes).toBe(0);
});

test('a position from before the discarded changes is a gap, one from after is not', async () => {
  const session = await prepare(await createDatabase('gap'));
  const before = await takeSnapshot(session);
  await session.script(sql`insert into public.t values (1)`);
  const after = await takeSnapshot(session);
  expect(await canServeNow(session, before)).toBe(true);
  await session.script(acknowledge(schema, consumer, { snapshot: after, incarnation: 0n }));
  await rotateSegments(session, { schema, ageMs });
  await rotateSegments(session, { schema, ageMs });
  expect(await canServeNow(session, before)).toBe(false);
  expect(await canServeNow(session, after)).toBe(true);
});

test('what one reader of a sync has not acknowledged is still there for the others, who may have to read it again', async () => {
  const session = await prepare(await createDatabase('shared_floor'));
  const slow = { ...consumer, database: 3 as DatabaseId };
  await registerConsumer(session, { schema, consumer: slow, tables: [1 as RelationId] });
  await session.script(sql`insert into public.t values (1)`);
  await rotateSegments(session, { schema, ageMs });
  const earlier = await takeSnapshot(session);
  await session.script(
    sql`insert into public.t values (2)`,
    acknowledge(schema, slow, { snapshot: earlier, incarnation: 1n }),
  );
  const later = await takeSnapshot(session);
  await session.script(acknowledge(schema, consumer, { snapshot: later, incarnation: 1n }));
  expect(await rotateSegments(session, { schema, ageMs })).toMatchObject({ truncatedCount: 1 });
  expect((await readSince(session, earlier)).keys).toEqual(['2']);
  expect(await canServeNow(session, earlier)).toBe(true);
});

test('an acknowledgement never goes back', async () => {
  const session = await prepare(await createDatabase('back'));
  const early = await takeSnapshot(session);
  await session.script(sql`insert into public.t values (1)`);
  const late = await takeSnapshot(session);
  await session.script(
    acknowledge(schema, consumer, { snapshot: late, incarnation: 0n }),
    acknowledge(schema, consumer, { snapshot: early, incarnation: 0n }),
  );
  expect(await session.query(sql`select acked::text from tahr.consumer`)).toEqual([{ acked: late }]);
});

test('a writer or a dump that is at a segment keeps it, and nobody waits', async () => {
  const database = await createDatabase('held');
  const session = await prepare(database);
  const writer = await database.session();
  await writer.script(sql`begin`, sql`insert into public.t values (1)`);
  expect((await rotateSegments(session, { schema, ageMs })).switchedTo).toBe(1);
  await session.script(
    acknowledge(schema, consumer, { snapshot: await takeSnapshot(session), incarnation: 0n }),
  );
  expect((await rotateSegments(session, { schema, ageMs })).truncatedCount).toBe(0);
  await writer.script(sql`commit`);
  expect((await rotateSegments(session, { schema, ageMs })).truncatedCount).toBe(0);
});

// Fails when a segment is truncated without asking whether somebody still needs it (npm run mutate).
test('nothing is lost while segments rotate under writers of every isolation level', {
  timeout: 30_000,
}, async () => {
  const database = await createDatabase('storm');
  const session = await prepare(database);
  const stopping = new AbortController();
  const committed: number[] = [];
  const write = async (writer: number): Promise<void> => {
    const own = await database.session();
    const levels = ['read committed', 'repeatable read', 'serializable'];
    for (let step = 0; !stopping.signal.aborted; step += 1) {
      const key = writer * 1_000_000 + step;
      await own.script(
        sql`begin isolation level ${sql.verbatim(levels[step % 3] ?? '')}`,
        sql`select count(*) from pg_class`,
      );
      try {
        await own.script(sql`insert into public.t values (${key})`);
        if (step % 17 === 0) await wait(30);
        await own.script(step % 11 === 0 ? sql`rollback` : sql`commit`);
        if (step % 11 !== 0) committed.push(key);
      } catch (error) {
        if (!isReplicationError(error, 'given_way')) throw error;
        await own.script(sql`rollback`);
      }
    }
  };
  const seen = new Set<number>();
  const read = async (): Promise<void> => {
    const own = await database.session();
    let position = await own
      .query(sql`select acked::text from tahr.consumer`)
      .then(([row]) => row?.['acked'] as Snapshot);
    const round = async (): Promise<void> => {
      const { keys, next } = await readSince(own, position);
      for (const key of keys) seen.add(Number(key));
      position = next;
      await own.script(acknowledge(schema, consumer, { snapshot: position, incarnation: 0n }));
    };
    while (!stopping.signal.aborted) await round();
    await wait(200);
    await round();
  };
  let switches = 0;
  let truncations = 0;
  const rotate = async (): Promise<void> => {
    const own = await database.session();
    while (!stopping.signal.aborted) {
      const { switchedTo, truncatedCount } = await rotateSegments(own, { schema, ageMs });
      switches += switchedTo === null ? 0 : 1;
      truncations += truncatedCount;
      await wait(10);
    }
  };
  const holder = await database.session();
  await holder.script(sql`begin isolation level repeatable read`, sql`select count(*) from public.t`);
  const workers = [write(1), write(2), write(3), read(), rotate()];
  await wait(4000);
  stopping.abort();
  await Promise.all(workers);
  expect(committed.filter((key) => !seen.has(key))).toEqual([]);
  expect(seen.size).toBe(committed.length);
  expect(Math.min(switches, truncations)).toBeGreaterThan(3);
  expect(await session.query(sql`select count(*) from public.t`)).toEqual([
    { count: String(committed.length) },
  ]);
});

/** As if no daemon had come for a month, or the clock had been set forward. */
const passDeadline = (session: Session): Promise<unknown> =>
  session.script(sql`select setval('tahr.control', (extract(epoch from now())::bigint - 1) * 16)`);

// Fails when a deadline that has passed ends capture whatever there is.
test('capture goes on past its deadline while the deltas take little room', async () => {
  const session = await prepare(await createDatabase('outlived'));
  await passDeadline(session);
  const before = await takeSnapshot(session);
  await session.script(sql`insert into public.t values (1)`);
  expect((await readSince(session, '1:1:')).keys).toEqual(['1']);
  expect((await readControlWord(session, schema)).deadlineS).toBeGreaterThan(Date.now() / 1000 + 23 * 3600);
  expect(await keepCapturing(session, schema)).toBe('renewed');
  expect(await canServeNow(session, before)).toBe(true);
});

// Fails when a trigger that finds the deadline passed does not switch capture off: then a clock that was set back hides the gap.
test('capture that reaches its deadline with much unread ends, and beginning again is a gap for every position from before', async () => {
  const session = await prepare(await createDatabase('deadline'));
  expect(await keepCapturing(session, schema)).toBe('going');
  await session.script(sql`update tahr.identity set budget_bytes = 100000000`);
  await session.script(sql`insert into public.t select generate_series(100, 20000)`);
  const unread = await takeSnapshot(session);
  await passDeadline(session);
  await session.script(sql`begin`, sql`insert into public.t values (3)`, sql`rollback`);
  await session.script(sql`insert into public.t values (1)`);
  const before = await takeSnapshot(session);
  expect((await readSince(session, unread)).keys).toEqual([]);
  const { isOff, deadlineS, segment } = await readControlWord(session, schema);
  expect({ isOff, segment }).toEqual({ isOff: true, segment: 0 });
  // The clock was wrong, and is right again.
  await session.script(
    sql`select setval('tahr.control', ${String(deadlineS + 3600 * 24 * 25)}::bigint * 16 + 8)`,
  );
  expect(await keepCapturing(session, schema)).toBe('resumed');
  expect(await keepCapturing(session, schema)).toBe('going');
  expect(await canServeNow(session, before)).toBe(false);
  await session.script(sql`insert into public.t values (2)`);
  expect((await readSince(session, before)).keys).toEqual(['2']);
  // A transaction of another database of the server that was in progress then keeps positions from counting until it ends.
  await expect
    .poll(async () => canServeNow(session, await takeSnapshot(session)), { timeout: 20_000 })
    .toBe(true);
});

test.each([
  { when: 'long before it is reached', aheadS: 3600 },
  { when: 'when it lies where only another clock can have put it', aheadS: 40 * 24 * 3600 },
])('the deadline is renewed $when', async ({ aheadS }) => {
  const session = await prepare(await createDatabase('renew'));
  await session.script(
    sql`select setval('tahr.control', (extract(epoch from now())::bigint + ${aheadS}::bigint) * 16 + 4 + 2)`,
  );
  expect(await keepCapturing(session, schema)).toBe('renewed');
  const { deadlineS, isArmed, isOff, segment } = await readControlWord(session, schema);
  expect(deadlineS - Date.now() / 1000).toBeGreaterThan(29 * 24 * 3600);
  expect({ isArmed, isOff, segment }).toEqual({ isArmed: true, isOff: false, segment: 2 });
});

// Fails when the triggers do not look at the budget (npm run mutate).
test('deltas beyond the budget end capture, and the application goes on', async () => {
  const session = await prepare(await createDatabase('budget'));
  await session.script(sql`update tahr.identity set budget_bytes = 100000`);
  await session.script(sql`insert into public.t select generate_series(1, 20000)`);
  expect((await readControlWord(session, schema)).isOff).toBe(true);
  await session.script(sql`insert into public.t values (30000)`);
  expect((await readSince(session, '1:1:')).keys).toHaveLength(20000);
  expect(await keepCapturing(session, schema)).toBe('resumed');
  expect((await readControlWord(session, schema)).isOff).toBe(false);
});

/** Seen to fail: without the time limit in `truncate` (segments.ts) the reader waits for as long as the daemon stands. */
test('a daemon that stands still while it empties a segment holds up no reader for long', async () => {
  const database = await createDatabase('standing');
  const application = await prepare(database);
  await application.script(sql`insert into public.t values (1, 1)`);
  const daemon = await database.session();
  await rotateSegments(daemon, { schema, ageMs });
  await application.script(
    acknowledge(schema, consumer, { snapshot: await takeSnapshot(application), incarnation: 0n }),
  );
  const reader = await database.session();
  await reader.script(sql`set lock_timeout = '20s'`);
  const counted = Promise.withResolvers<unknown>();
  const standing = new Proxy(daemon, {
    get(target, name) {
      if (name !== 'script') return Reflect.get(target, name, target) as unknown;
      return async (...statements: readonly Sql[]) => {
        const results = await target.script(...statements);
        // It has the lock, and says nothing more until the reader has got its answer.
        if (target.isInTransaction) {
          const [first = sql.empty] = segmentTables(schema, 1);
          counted.resolve(reader.query(sql`select count(*) from ${first}`));
          await counted.promise;
        }
        return results;
      };
    },
  });
  await expect(rotateSegments(standing, { schema, ageMs: 0 })).rejects.toMatchObject({
    code: 'database_unreachable',
  });
  expect(await counted.promise).toEqual([{ count: '1' }]);
});
