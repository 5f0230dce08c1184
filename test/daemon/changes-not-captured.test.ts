/**
 * What happens to a source past the triggers: loads with triggers disabled, tables that are made anew, partitions that come and
 * go with their rows. It is told, capture is put in order, and a copy heals what was missed.
 *
 * Seen to fail: without `findDisturbed` (`capture.ts`) nothing is captured again; without `#recall` in `catalogue-watch.ts`
 * nothing is told of what happened while no daemon ran; without `clearTableNotices` the notices stay after the copy.
 */
import { expect, test, vi } from 'vitest';
import { listNotices } from '../../src/control/notice.ts';
import { updateSync } from '../../src/control/sync.ts';
import { createInstallation, type TestInstallation } from './installation.ts';

const roles = { A: 'source', B: 'target' } as const;

const schema = `
  create table replaced (id int primary key, note text);
  create table released (id int primary key, note text);
  create table loaded (id int primary key, note text);
  create table adopted (id int primary key, note text);
  create table parted (id int primary key, note text) partition by range (id);
  create table parted_0 partition of parted for values from (0) to (10);
  create table parted_10 partition of parted for values from (10) to (20);
  create table parted_20 partition of parted for values from (20) to (30);
  create table untouched (id int primary key, note text)`;

const tables = ['replaced', 'released', 'loaded', 'adopted', 'parted', 'untouched'];

const mishaps = `
  drop table replaced; create table replaced (id int primary key, note text); insert into replaced values (2, 'unseen');
  drop trigger tahr_note_insert on released; insert into released values (2, 'unseen');
  alter table loaded disable trigger all; insert into loaded values (2, 'unseen'); alter table loaded enable trigger all;
  create table parent (id int primary key, note text); alter table adopted inherit parent; update parent set note = 'unseen';
  alter table parted detach partition parted_0; drop table parted_10;
  create table parted_30 (id int primary key, note text); insert into parted_30 values (31, 'unseen');
  alter table parted attach partition parted_30 for values from (30) to (40)`;

const noticesOf = async (shop: TestInstallation): Promise<Record<string, string[]>> => {
  const notices = await shop.store.transaction(listNotices);
  const byTable = Map.groupBy(notices, ({ relation }) => relation ?? '');
  return Object.fromEntries([...byTable].map(([table, found]) => [table, found.map(({ code }) => code)]));
};

const told = {
  replaced: ['relation_replaced'],
  released: ['capture_disturbed'],
  loaded: ['capture_disturbed'],
  adopted: ['capture_incomplete'],
  parted: ['partitions_changed'],
};

/** Writes to every table in the way that was not captured before. */
const writeAgain = `
  insert into replaced values (3, 'seen'); insert into released values (3, 'seen'); insert into loaded values (3, 'seen');
  insert into parted_30 values (32, 'seen'); update parent set note = 'seen'; insert into untouched values (3, 'seen')`;

const seen = ['(3,seen)'];

const expectCaptured = async (shop: TestInstallation): Promise<void> => {
  await shop.run('A', writeAgain);
  await vi.waitFor(
    async () => {
      for (const table of ['replaced', 'released', 'loaded', 'untouched'])
        expect(await shop.rows('B', table), table).toEqual(expect.arrayContaining(seen));
      expect(await shop.rows('B', 'adopted')).toEqual(['(1,seen)']);
      expect(await shop.rows('B', 'parted')).toContain('(32,seen)');
    },
    { timeout: 20_000, interval: 100 },
  );
  await shop.run('A', 'truncate parted_30');
  await vi.waitFor(async () => expect(await shop.rows('B', 'parted')).not.toContain('(32,seen)'), {
    timeout: 20_000,
    interval: 100,
  });
};

const create = async (): Promise<TestInstallation> => {
  const shop = await createInstallation({ roles, schema, tables });
  await shop.run('B', 'create table parted_30 partition of parted for values from (30) to (40)');
  await shop.run(
    'A',
    `${tables.map((table) => `insert into ${table} values (1, 'one')`).join('; ')}; insert into parted values (11, 'ten'), (21, 'twenty')`,
  );
  return shop;
};

const heal = async (shop: TestInstallation): Promise<void> => {
  expect(await shop.rows('B', 'parted')).not.toEqual(await shop.rows('A', 'parted'));
  await shop.store.transaction((db) => updateSync(db, 'shop', { onetimecopy: 1 }));
  await shop.equal(20_000);
  expect(await shop.rows('B', 'parted')).toEqual(['(21,twenty)']);
  expect(await noticesOf(shop)).toEqual({});
};

test('is told while the daemon runs, is captured from then on, and a copy heals it', async () => {
  const shop = await create();
  shop.startDaemon();
  await shop.equal(20_000);
  await shop.run('A', mishaps);
  await vi.waitFor(async () => expect(await noticesOf(shop)).toEqual(told), {
    timeout: 30_000,
    interval: 200,
  });
  await expectCaptured(shop);
  await heal(shop);
});

test('is told by the next daemon when it happened while none ran, and is captured from then on', async () => {
  const shop = await create();
  const daemon = shop.startDaemon();
  await shop.equal(20_000);
  await shop.eventually('B', { state: 'idle' });
  await daemon.stop();
  await shop.run('A', mishaps);
  shop.startDaemon();
  await vi.waitFor(async () => expect(await noticesOf(shop)).toEqual(told), {
    timeout: 30_000,
    interval: 200,
  });
  await expectCaptured(shop);
  await heal(shop);
});

test('is told as going on while a table cannot be captured again', async () => {
  const shop = await create();
  await shop.run(
    'A',
    `create function forbid() returns event_trigger language plpgsql as 'begin raise ''no triggers here''; end';
     create event trigger forbid on ddl_command_start when tag in ('CREATE TRIGGER') execute function forbid();
     drop trigger tahr_note_insert on released`,
  );
  shop.startDaemon();
  await vi.waitFor(
    async () => expect(await noticesOf(shop)).toMatchObject({ released: ['capture_failed'] }),
    { timeout: 30_000, interval: 200 },
  );
  await shop.run('A', 'drop event trigger forbid');
  await vi.waitFor(
    async () => expect(await noticesOf(shop)).toMatchObject({ released: ['capture_incomplete'] }),
    { timeout: 30_000, interval: 200 },
  );
  await shop.run('A', `insert into released values (3, 'seen')`);
  await vi.waitFor(async () => expect(await shop.rows('B', 'released')).toContain('(3,seen)'), 20_000);
});
