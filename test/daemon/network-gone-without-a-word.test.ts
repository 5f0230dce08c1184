/**
 * The network to a database goes without a word in the middle of a round: nothing arrives, and no connection ends. TCP would notice
 * it a quarter of an hour later. The daemon asks each database for an answer, gives up what does not come, and goes on with the others.
 *
 * Seen to fail: without `pool.sever()` in `Databases` nothing is told of B; without `endBackends` the server keeps the locks of the
 * connection that is gone, and B is equal 53 s after the network is back instead of one.
 */
import { expect, inject, test, vi } from 'vitest';
import { createProxy } from '../support/proxy.ts';
import { createInstallation } from './installation.ts';

test('the others go on, it is told within seconds, and all heals when the network is back', async () => {
  const proxy = await createProxy({ parameters: inject('sharedServer') });
  const shop = await createInstallation({
    roles: { A: 'source', B: 'target', C: 'target' },
    schema: 'create table items (id int primary key, name text)',
    tables: ['items'],
    ways: { B: proxy.parameters },
  });
  let isFrozen = false;
  shop.startDaemon(async (point, { name }) => {
    if (isFrozen || point !== 'rows_locked' || name !== 'B') return;
    isFrozen = true;
    proxy.freeze();
  });
  await shop.run('A', `insert into items values (1, 'one')`);
  await vi.waitFor(() => expect(isFrozen).toBe(true), 20_000);
  await shop.run('A', `insert into items values (2, 'two')`);
  await vi.waitFor(async () => expect(await shop.rows('C', 'items')).toHaveLength(2), 20_000);
  await shop.eventually('B', { state: 'waiting', waitingFor: 'database B' }, 60_000);
  expect((await shop.state('B')).lastError).toMatchObject({ code: 'database_unreachable' });
  proxy.thaw();
  // The server still holds the transaction of the connection that is gone.
  await shop.equal(30_000);
  await shop.eventually('B', { state: 'idle', lastError: null }, 20_000);
}, 180_000);
