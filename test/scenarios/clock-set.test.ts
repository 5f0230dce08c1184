/**
 * The clock of a source, or of the daemon, is set while everything runs.
 *
 * Seen to fail: with a deadline that ends capture by itself, what was written while the clock was a month ahead was lost, and nobody was
 * told when it was right again; with lanes that wait by the clock on the wall, one that had failed slept for an hour; with
 * versions compared by their times alone, a change made with knowledge of another lost against it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { readControlWord } from '../../src/connectors/postgres/control-word.ts';
import { listDbClocks } from '../../src/control/db-clock.ts';
import { listConflicts } from '../../src/control/conflict-log.ts';
import { listNotices } from '../../src/control/notice.ts';
import { keepCapturing } from '../../src/connectors/postgres/deadline.ts';
import { startServer } from '../../tools/embedded-postgres.ts';
import { createInstallation, type TestInstallation } from '../daemon/installation.ts';
import { canSetClocks, createClock, type SetClock } from '../support/clock.ts';
import { createGang } from '../support/gang.ts';

vi.setConfig({ testTimeout: 180_000 });
if (!canSetClocks)
  console.error('Skipped, because libfaketime is not installed (Debian: apt-get install libfaketime).');

const settings = { fsync: 'off' };
const orders = { schema: 'create table orders (id int primary key, note text)', tables: ['orders'] };

const startDaemon = (shop: TestInstallation, clock: SetClock): ChildProcess => {
  const { host, port, user, dbname } = shop.control.parameters;
  const child = spawn(process.execPath, ['bin/tahr.js', 'run', '--log-level', 'warn'], {
    cwd: `${import.meta.dirname}/../..`,
    stdio: ['ignore', 'ignore', 'ignore'],
    env: {
      ...process.env,
      ...clock.environment,
      TAHR_CONTROL: `host=${host} port=${port} user=${user} dbname=${dbname}`,
    },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
};

describe.skipIf(!canSetClocks)('the clock of a source', () => {
  it('does not decide between a change and one that was made with knowledge of it', async () => {
    await using clock = await createClock();
    await using a = await startServer({ settings, environment: clock.environment });
    await using gang = await createGang({
      roles: { A: 'source', B: 'source', C: 'source' },
      servers: { A: a },
      ...orders,
    });
    await gang.run('B', `insert into orders values (1, 'B')`);
    await gang.settle();
    for (const offset of ['-1h', '+1h']) {
      await gang.run('B', `update orders set note = 'B before ${offset}'`);
      await gang.roundOf(['A', 'B']);
      await clock.set(offset);
      await gang.run('A', `update orders set note = 'A at ${offset}'`);
      // C meets both at once.
      await gang.settle();
      expect(await gang.rows('C', 'orders')).toEqual([`(1,"A at ${offset}")`]);
    }
    await gang.expectEqual();
    expect(await gang.conflicts('A')).toEqual([]);
  });

  it('decides a conflict by the times that were recorded, the same everywhere', async () => {
    await using clock = await createClock();
    await using a = await startServer({ settings, environment: clock.environment });
    await using gang = await createGang({
      roles: { A: 'source', B: 'source', C: 'target' },
      servers: { A: a },
      ...orders,
    });
    for (const [id, offset, winner] of [
      [1, '-1h', 'B'],
      [2, '+1h', 'A'],
    ] as const) {
      await clock.set(offset);
      await gang.run('B', `insert into orders values (${id}, 'B')`);
      await gang.run('A', `insert into orders values (${id}, 'A')`);
      await gang.expectEqual();
      expect(await gang.rows('C', 'orders')).toContain(`(${id},${winner})`);
    }
    const decided = await gang.conflicts('A');
    expect(decided.map(({ winner }) => winner)).toEqual(['2', '1']);
    expect((await gang.conflicts('B')).map(({ id }) => id)).toEqual(decided.map(({ id }) => id));
  });

  it('is measured, taken off, recorded with a conflict, and told', async () => {
    await using clock = await createClock();
    await using a = await startServer({ settings, environment: clock.environment });
    const shop = await createInstallation({
      roles: { A: 'source', B: 'source' },
      servers: { A: a },
      ...orders,
    });
    await clock.set('+1h');
    const daemon = shop.startDaemon();
    const [measured] = await vi.waitFor(
      async () => {
        const clocks = await shop.store.transaction(listDbClocks);
        expect(clocks).toHaveLength(2);
        return clocks;
      },
      { timeout: 30_000, interval: 200 },
    );
    expect(Math.abs((measured?.aheadMs ?? 0) - 3_600_000)).toBeLessThan(1_000);
    expect(measured?.correctedMs).toBe(Math.round(measured?.aheadMs ?? 0));
    await daemon.stop();
    await shop.run('A', `insert into orders values (1, 'A')`);
    await shop.run('B', `insert into orders values (1, 'B, later')`);
    shop.startDaemon();
    await shop.equal(30_000);
    expect(await shop.rows('A', 'orders')).toEqual(['(1,"B, later")']);
    const [conflict] = await vi.waitFor(
      async () => {
        const found = await shop.store.transaction((db) =>
          listConflicts(db, { syncId: null, limit: 10, isUndecided: false }),
        );
        expect(found).toHaveLength(1);
        return found;
      },
      { timeout: 20_000, interval: 200 },
    );
    const versions = JSON.parse(conflict?.versions ?? '[]') as { origin: number; clock_ahead_ms: number }[];
    const ofA = versions.find(({ origin }) => origin === measured?.databaseId);
    expect(ofA?.clock_ahead_ms).toBe(measured?.correctedMs);
    expect(await shop.store.transaction(listNotices)).toMatchObject([
      { database: 'A', code: 'clock_differs', message: expect.stringContaining('3600 s ahead of') as string },
    ]);
  });

  it('a month ahead ends capture for nobody, and neither does the way back', async () => {
    await using clock = await createClock();
    await using a = await startServer({ settings, environment: clock.environment });
    await using gang = await createGang({
      roles: { A: 'source', B: 'target' },
      servers: { A: a },
      ...orders,
    });
    await clock.set('+31d');
    await gang.run('A', `insert into orders values (1, 'a month ahead')`);
    await clock.set('+0');
    await gang.run('A', `insert into orders values (2, 'right again')`);
    expect(await keepCapturing(gang.on('A'), 'tahr')).toBe('renewed');
    expect((await readControlWord(gang.on('A'), 'tahr')).deadlineS).toBeLessThan(
      Date.now() / 1000 + 31 * 24 * 3600,
    );
    await gang.expectEqual();
    expect(await gang.rows('B', 'orders')).toHaveLength(2);
  });

  it('stops no daemon, whichever way it is set', async () => {
    await using clock = await createClock();
    await using a = await startServer({ settings, environment: clock.environment });
    const shop = await createInstallation({
      roles: { A: 'source', B: 'source', C: 'target' },
      servers: { A: a },
      ...orders,
    });
    shop.startDaemon();
    for (const [step, offset] of ['+0', '-1h', '+1h', '+31d', '+0'].entries()) {
      await clock.set(offset);
      for (const [index, name] of ['A', 'B'].entries())
        await shop.run(name, `insert into orders values (${step * 2 + index + 1}, '${name} at ${offset}')`);
      await shop.run('A', `update orders set note = note || ', then A at ${offset}' where id = 1`);
      await shop.equal(30_000);
    }
    expect(await shop.rows('C', 'orders')).toHaveLength(10);
    await shop.eventually('C', { state: 'idle', lastError: null }, 30_000);
  });
});

describe.skipIf(!canSetClocks)('the clock of the daemon', () => {
  it.each(['-1h', '+1h'])('lets no lane sleep that waits to try again (%s)', async (offset) => {
    await using clock = await createClock();
    const shop = await createInstallation({ roles: { A: 'source', B: 'target' }, ...orders });
    await shop.run('B', `alter table orders add constraint short check (length(note) < 5)`);
    startDaemon(shop, clock);
    await shop.run('A', `insert into orders values (1, 'much too long')`);
    await shop.eventually('B', { state: 'retrying' }, 60_000);
    await clock.set(offset);
    await shop.run('B', `alter table orders drop constraint short`);
    await shop.equal(60_000);
    await shop.run('A', `insert into orders values (2, 'after')`);
    await shop.equal(30_000);
    await shop.eventually('B', { state: 'idle', lastError: null }, 30_000);
  });
});
