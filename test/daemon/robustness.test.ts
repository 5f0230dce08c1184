/** What fails beside the rounds: the daemon lives on, and what has failed is done again. */
import { expect, test, vi } from 'vitest';
import { readKick, requestKick } from '../../src/control/kick.ts';
import { KickDesk } from '../../src/daemon/kick-desk.ts';
import { ReplicationError } from '../../src/model/errors.ts';
import { createLog } from '../../src/runtime/log.ts';
import { createInstallation } from './installation.ts';

const oneWay = {
  roles: { A: 'source', B: 'target' },
  schema: 'create table items (id int primary key, name text)',
  tables: ['items'],
} as const;

test('a kick that could not be tried while the control database was away is taken up again', async () => {
  const shop = await createInstallation(oneWay);
  const id = await shop.store.transaction((db) => requestKick(db, shop.sync.id));
  const { store } = shop;
  let attempts = 0;
  const desk = new KickDesk({
    store,
    log: createLog({ level: 'error', destination: 'stderr' }),
    write: (work) => void store.transaction(work),
    flush: () => Promise.resolve(),
    kick: async () => {
      attempts += 1;
      if (attempts === 1)
        throw new ReplicationError('database_unreachable', { message: 'The control database is away.' });
      return { result: 'done' };
    },
  });
  await desk.look();
  expect(attempts).toBe(1);
  await desk.look();
  await vi.waitFor(async () => {
    expect(await store.transaction((db) => readKick(db, id))).toMatchObject({ outcome: { result: 'done' } });
  });
  expect(attempts).toBe(2);
});
