/** What fails beside the rounds: the daemon lives on, and what has failed is done again. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { readKick, requestKick } from '../../src/control/kick.ts';
import { Databases } from '../../src/daemon/databases.ts';
import { KickDesk } from '../../src/daemon/kick-desk.ts';
import { RoundGate } from '../../src/daemon/round-gate.ts';
import { StatusBoard } from '../../src/daemon/status-board.ts';
import { SyncWorker } from '../../src/daemon/sync-worker.ts';
import { ReplicationError } from '../../src/model/errors.ts';
import { passOn } from '../../src/replication/fault-point.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createLog } from '../../src/runtime/log.ts';
import { copiesOf } from '../support/sync-definition.ts';
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
    writer: {
      write: (_sync, work, atLast) => void store.transaction(work).then(atLast),
      flush: () => Promise.resolve(),
    },
    isOurs: () => true,
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

test('that a copy has been made everywhere is handed to the control store once, whatever the number of rounds', async () => {
  const shop = await createInstallation({ ...oneWay, sync: { onetimecopy: 1 } });
  const around = {
    clock: systemClock,
    random: Math.random,
    log: createLog({ level: 'error', destination: 'stderr' }),
  };
  const databases = new Databases({ ...around, applicationName: 'test' });
  await databases.use(shop.sync.members.map(({ database }) => database));
  let written = 0;
  const worker = new SyncWorker(shop.sync, {
    ...around,
    databases,
    watchProblemOf: () => null,
    schema: 'tahr',
    gate: new RoundGate(),
    reached: passOn,
    board: new StatusBoard(systemClock),
    // The control store is away: what it is told stays with whoever keeps it until then.
    writer: {
      write: () => {
        written += 1;
      },
    },
    isHeld: () => true,
    onPause: () => undefined,
  });
  worker.start();
  onTestFinished(async () => {
    await worker.stop();
    await databases.use([]);
  });
  expect(await worker.kick()).toEqual({ result: 'done' });
  const once = written;
  for (let round = 0; round < 3; round += 1) expect(await worker.kick()).toEqual({ result: 'done' });
  expect(written).toBe(once);
  const copyGeneration = shop.sync.copyGeneration + 1;
  worker.adopt({ ...shop.sync, copyGeneration, copies: copiesOf({ onetimecopy: 1, copyGeneration }) });
  expect(await worker.kick()).toEqual({ result: 'done' });
  expect(written).toBe(once + 1);
});
