/** A database that is away for longer than a source is to keep changes for it. */
import { describe, expect, test, vi } from 'vitest';
import { readQueue } from '../../src/connectors/postgres/queue.ts';
import { rotateSegments } from '../../src/connectors/postgres/segments.ts';
import { listNotices } from '../../src/control/notice.ts';
import { updateDatabase } from '../../src/control/database.ts';
import { type QueuePolicy, setQueueLimit } from '../../src/control/queue-limit.ts';
import type { DatabaseId, Role } from '../../src/model/topology.ts';
import { sql } from '../../src/pg/sql.ts';
import { createInstallation, type TestInstallation } from './installation.ts';

vi.setConfig({ testTimeout: 120_000 });

const schema = 'create table item (id integer primary key, note text)';
const waiting = { timeout: 40_000, interval: 200 };

const createShop = async (roles: Record<string, Role>, policy: QueuePolicy): Promise<TestInstallation> => {
  const shop = await createInstallation({ roles, schema, tables: ['item'] });
  await shop.store.transaction((db) =>
    setQueueLimit(db, { sync: shop.sync.id }, { limit: { bytes: null, ageMs: 1_000 }, policy }),
  );
  return shop;
};

/** `inactive`: for the daemon it is away, as soon as it knows. */
const setStatus = async (shop: TestInstallation, name: string, status: 'active' | 'inactive') => {
  await shop.store.transaction((db) => updateDatabase(db, name, { status }));
  if (status === 'inactive') await shop.eventually(name, { state: 'inactive' });
};

const notices = async (shop: TestInstallation): Promise<string[]> =>
  (await shop.store.transaction(listNotices)).map(({ database, code }) => `${database} ${code}`);

/** As the daemon does once a minute: writers move on, and what nobody needs is gone. @returns whether anything still waits for B */
const purge = async (shop: TestInstallation): Promise<boolean> => {
  const session = await shop.database('A').session();
  const { id, members } = shop.sync;
  const database = members.find((member) => member.database.name === 'B')?.database.id as DatabaseId;
  for (const ageMs of [100_000, 0]) await rotateSegments(session, { schema: 'tahr', ageMs });
  return ((await readQueue(session, 'tahr', { sync: id, database }))?.ageMs ?? 0) > 0;
};

const emptied = (shop: TestInstallation): Promise<void> =>
  vi.waitFor(async () => expect(await purge(shop)).toBe(false), waiting);

const isReleased = async (shop: TestInstallation, name: string): Promise<boolean> => {
  const session = await shop.database(name).session();
  const [row] = await session.query(sql`select bool_or(released) as is_released from tahr.consumer`);
  return row?.['is_released'] === 't';
};

describe('a target that is away', () => {
  test('is given up, and copied to when it is back', async () => {
    const shop = await createShop({ A: 'source', B: 'target', C: 'target' }, 'release');
    await shop.run('A', `insert into item values (1, 'a'), (2, 'b')`);
    shop.startDaemon();
    await shop.equal();
    await setStatus(shop, 'B', 'inactive');
    await shop.run('A', `update item set note = 'changed'; delete from item where id = 2`);
    await vi.waitFor(async () => expect(await isReleased(shop, 'A')).toBe(true), waiting);
    expect(await notices(shop)).toContain('B queue_over_limit');
    await emptied(shop);
    await shop.run('A', `insert into item values (3, 'after')`);
    await setStatus(shop, 'B', 'active');
    await shop.equal(30_000);
    expect(await shop.rows('B', 'item')).toEqual(['(1,changed)', '(3,after)']);
    await vi.waitFor(async () => expect(await isReleased(shop, 'A')).toBe(false), waiting);
    await vi.waitFor(async () => expect(await notices(shop)).toEqual([]), waiting);
    await shop.run('A', `insert into item values (4, 'on')`);
    await shop.equal();
  });

  test('reads on where it was, if nothing had gone yet', async () => {
    const shop = await createShop({ A: 'source', B: 'target' }, 'release');
    await shop.run('A', `insert into item values (1, 'a')`);
    const daemon = shop.startDaemon();
    await shop.equal();
    await setStatus(shop, 'B', 'inactive');
    await shop.run('A', `insert into item values (2, 'b')`);
    await vi.waitFor(async () => expect(await isReleased(shop, 'A')).toBe(true), waiting);
    await shop.run('B', `update item set note = 'by hand'`);
    await setStatus(shop, 'B', 'active');
    await vi.waitFor(
      async () => expect(await shop.rows('B', 'item')).toEqual(['(1,"by hand")', '(2,b)']),
      waiting,
    );
    await vi.waitFor(async () => expect(await isReleased(shop, 'A')).toBe(false), waiting);
    await daemon.stop();
  });

  test.each(['warn', 'keep'] as const)('keeps what is kept for it by %s', async (policy) => {
    const shop = await createShop({ A: 'source', B: 'target', C: 'target' }, policy);
    shop.startDaemon();
    await shop.equal();
    await setStatus(shop, 'B', 'inactive');
    await shop.run('A', `insert into item values (1, 'a')`);
    if (policy === 'warn')
      await vi.waitFor(async () => expect(await notices(shop)).toContain('B queue_over_limit'), waiting);
    expect(await isReleased(shop, 'A')).toBe(false);
    expect(await purge(shop)).toBe(true);
    const none = { limit: { bytes: null, ageMs: null } };
    await shop.store.transaction((db) => setQueueLimit(db, { sync: shop.sync.id }, none));
    expect(await notices(shop)).toEqual([]);
    await setStatus(shop, 'B', 'active');
    await shop.equal(30_000);
  });
});

describe('a source that is away', () => {
  test('is given up and copied to, and its own changes stay', async () => {
    const shop = await createShop({ A: 'source', B: 'source' }, 'release');
    await shop.run('A', `insert into item values (1, 'a'), (2, 'b')`);
    shop.startDaemon();
    await shop.equal();
    await setStatus(shop, 'B', 'inactive');
    await shop.run('A', `update item set note = 'of A' where id = 1`);
    await vi.waitFor(async () => expect(await isReleased(shop, 'A')).toBe(true), waiting);
    await emptied(shop);
    await shop.run('B', `insert into item values (7, 'of B')`);
    await setStatus(shop, 'B', 'active');
    await shop.equal(30_000);
    expect(await shop.rows('A', 'item')).toEqual(['(1,"of A")', '(2,b)', '(7,"of B")']);
  });
});
