/**
 * A daemon is killed with SIGKILL exactly at a hand-over, for every hand-over of a round and every database, one after the other: each
 * daemon takes over what the one before has left. Applications go on meanwhile. In the end all databases are equal, every
 * row that was written is there, and every conflict is in the log, once and with the winner that its times say.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { listConflicts } from '../../src/control/conflict-log.ts';
import { type FaultPoint, faultPoints } from '../../src/replication/fault-point.ts';
import type { Fault } from '../support/faulty-daemon.ts';
import { createInstallation, type TestInstallation } from './installation.ts';

const names = ['A', 'B', 'C'] as const;
const ofSources: ReadonlySet<FaultPoint> = new Set(['source_opened', 'source_finished', 'conflicts_logged']);

const faults: readonly Fault[] = names.flatMap((database) =>
  faultPoints
    .filter((point) => database !== 'C' || !ofSources.has(point))
    .map((point): Fault => ({ signal: 'SIGKILL', point, database })),
);

const program = `${import.meta.dirname}/../support/faulty-daemon.ts`;

const startFaulty = ({ control }: TestInstallation, fault: Fault): ChildProcess => {
  const options = JSON.stringify({ control: control.parameters, ...fault });
  const child = spawn(process.execPath, [program, options], { stdio: ['ignore', 'ignore', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
};

/** Rows of either side, and one that both have written, B later. */
const write = async (shop: TestInstallation, lap: number): Promise<void> => {
  const shared = lap * 10;
  await shop.run('A', `insert into items values (${shared}, 'A'), (${shared + 1}, 'A')`);
  await shop.run('B', `insert into items values (${shared}, 'B'), (${shared + 2}, 'B')`);
};

test(`a daemon that is killed at each of ${faults.length} hand-overs loses nothing`, async () => {
  const shop = await createInstallation({
    roles: { A: 'source', B: 'source', C: 'target' },
    schema: 'create table items (id int primary key, note text)',
    tables: ['items'],
  });
  for (const [lap, fault] of faults.entries()) {
    await write(shop, lap);
    const [, signal] = (await once(startFaulty(shop, fault), 'exit')) as [number | null, string | null];
    expect(signal, `${fault.point} of ${fault.database}`).toBe('SIGKILL');
    await shop.forgetDaemons();
  }
  shop.startDaemon();
  await shop.equal(60_000);
  const expected = faults.flatMap((_, lap) => [
    `(${lap * 10},B)`,
    `(${lap * 10 + 1},A)`,
    `(${lap * 10 + 2},B)`,
  ]);
  expect(await shop.rows('C', 'items')).toEqual(expected.toSorted());
  await expectConflictsLogged(shop);
}, 600_000);

const expectConflictsLogged = async (shop: TestInstallation): Promise<void> => {
  const listed = () =>
    shop.store.transaction((db) => listConflicts(db, { syncId: null, limit: 1_000, isUndecided: false }));
  await vi.waitFor(async () => expect(await listed()).toHaveLength(faults.length), {
    timeout: 30_000,
    interval: 200,
  });
  const keys = (await listed()).map(({ key, winner }) => `${key} ${winner}`);
  expect(keys.toSorted()).toEqual(faults.map((_, lap) => `${lap * 10} B`).toSorted());
};
