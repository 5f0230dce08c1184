/**
 * The disk of a target or of a source is full, and has room again later.
 *
 * Seen to fail: with positions committed before the rows, the target never got what there had been no room for; with a capture trigger
 * that swallows errors, applications wrote what nobody heard of; with nobody told that a database is back, the daemon
 * waited for ever for the server that had gone down.
 */
import { execFileSync } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { type Server, startServer } from '../../tools/embedded-postgres.ts';
import { createInstallation } from '../daemon/installation.ts';
import { createGang } from '../support/gang.ts';
import { canMount, createSmallDisk, type SmallDisk } from '../support/small-disk.ts';

vi.setConfig({ testTimeout: 240_000 });
if (!canMount) console.error('Skipped, because a small tmpfs cannot be mounted here.');

const settings = { fsync: 'off', autovacuum: 'off' };
const orders = {
  schema:
    'create table orders (id int primary key, note text); create table lines (id int primary key, note text)',
  tables: ['orders', 'lines'],
};
const bulk = `insert into orders select n, repeat('x', 1000) from generate_series(10, 20000) n`;

/** From now on its log is on the small disk. */
const moveLog = async (server: Server, disk: SmallDisk): Promise<void> => {
  await server.stop();
  const directory = join(await disk.directory('log'), 'pg_wal');
  const log = join(server.dataDirectory, 'pg_wal');
  execFileSync('mv', [log, directory]);
  await symlink(directory, log);
  await server.start();
};

describe.skipIf(!canMount)('the disk of a target is full', () => {
  it('and nothing of the round is applied, until there is room', async () => {
    await using disk = await createSmallDisk(64);
    await using b = await startServer({ settings });
    await using gang = await createGang({
      roles: { A: 'source', B: 'target' },
      servers: { B: b },
      ...orders,
    });
    await gang.run('A', `insert into orders values (1, 'before')`);
    await gang.settle();
    await gang
      .on('B')
      .script(sql`create tablespace small location ${sql.literal(await disk.directory('space'))}`);
    await gang.run('B', 'alter table orders set tablespace small');
    await disk.fill();
    await gang.run('A', `begin; insert into lines values (1, 'with them'); ${bulk}; commit`);
    for (let attempt = 0; attempt < 2; attempt += 1)
      expect(await gang.round('B')).toMatchObject({
        B: { kind: 'bad', error: { code: 'out_of_resources', facts: { database: 'B', sqlState: '53100' } } },
      });
    expect(await gang.rows('B', 'orders')).toEqual(['(1,before)']);
    expect(await gang.rows('B', 'lines')).toEqual([]);
    await disk.makeRoom();
    await gang.expectEqual();
  });

  it('where its log is, so that the server goes down, and the daemon goes on when it is back', async () => {
    await using disk = await createSmallDisk(64);
    await using b = await startServer({ settings: { ...settings, restart_after_crash: 'off' } });
    await moveLog(b, disk);
    const shop = await createInstallation({
      roles: { A: 'source', B: 'target' },
      servers: { B: b },
      ...orders,
    });
    shop.startDaemon();
    await shop.run('A', `insert into orders values (1, 'before')`);
    await shop.equal(30_000);
    await disk.fill();
    await shop.run('A', bulk);
    await shop.eventually('B', { state: 'waiting', waitingFor: 'database B' }, 60_000);
    await b.stop('immediate');
    await disk.makeRoom();
    await b.start();
    await shop.equal(60_000);
    await shop.eventually('B', { state: 'idle', lastError: null }, 30_000);
  });
});

describe.skipIf(!canMount)('the disk of a source is full', () => {
  it('where changes are noted, and applications fail rather than write what nobody would hear of', async () => {
    await using disk = await createSmallDisk(64);
    await using a = await startServer({ settings });
    await using gang = await createGang({
      roles: { A: 'source', B: 'target' },
      servers: { A: a },
      ...orders,
    });
    await gang
      .on('A')
      .script(sql`create tablespace small location ${sql.literal(await disk.directory('space'))}`);
    await gang.run(
      'A',
      'alter table tahr.d_1_0 set tablespace small; alter index tahr.d_1_0_xid_tbl_idx set tablespace small',
    );
    await disk.fill();
    await expect(gang.run('A', bulk)).rejects.toMatchObject({ code: 'out_of_resources' });
    expect(await gang.rows('A', 'orders')).toEqual([]);
    await gang.expectEqual();
    await disk.makeRoom();
    await gang.run('A', bulk);
    await gang.expectEqual();
    expect((await gang.rows('B', 'orders')).length).toBe(19991);
  });

  it('where its log is, so that the server goes down, and everything that it still has arrives when it is back', async () => {
    await using disk = await createSmallDisk(64);
    await using a = await startServer({ settings: { ...settings, restart_after_crash: 'off' } });
    await moveLog(a, disk);
    const shop = await createInstallation({
      roles: { A: 'source', B: 'target' },
      servers: { A: a },
      ...orders,
    });
    shop.startDaemon();
    await shop.run('A', `insert into orders values (1, 'before')`);
    await shop.equal(30_000);
    await disk.fill();
    await shop.run('A', `insert into orders values (2, 'room for this in the last file of the log')`);
    await expect(shop.run('A', bulk)).rejects.toMatchObject({
      // The last word of the server, if it gets through.
      code: expect.stringMatching(/^(out_of_resources|database_unreachable)$/u) as string,
    });
    await shop.eventually('B', { state: 'waiting', waitingFor: 'database A' }, 60_000);
    await a.stop('immediate');
    await disk.makeRoom();
    await a.start();
    await shop.run('A', `insert into orders values (3, 'after')`);
    await shop.equal(60_000);
    expect(await shop.rows('B', 'orders')).toHaveLength(3);
    await shop.eventually('B', { state: 'idle', lastError: null }, 30_000);
  });
});
