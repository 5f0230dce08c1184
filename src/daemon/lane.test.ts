import { PassThrough } from 'node:stream';
import { expect, onTestFinished, test } from 'vitest';
import type { Database, DatabaseId, DatabaseName, Member, SyncId } from '../model/topology.ts';
import { passOn } from '../replication/fault-point.ts';
import { Rendezvous } from '../replication/read/rendezvous.ts';
import { systemClock } from '../runtime/clock.ts';
import { createLog } from '../runtime/log.ts';
import { Databases } from './databases.ts';
import { LaneReport } from './lane-report.ts';
import { Lane } from './lane.ts';
import { RoundGate } from './round-gate.ts';
import { StatusBoard } from './status-board.ts';

const syncId = 'id' as SyncId;
const member = (id: number, name: string, role: Member['role']): Member => {
  const database: Database = {
    id: id as DatabaseId,
    name: name as DatabaseName,
    status: 'active',
    parameters: {},
    makedelta: false,
  };
  return { role, database };
};

test('a bug beside the rounds is told, answers the kick, and leaves the lane at work', async () => {
  const [source, target] = [member(1, 'A', 'source'), member(2, 'B', 'target')];
  const log = createLog({ level: 'debug', destination: new PassThrough().resume() });
  const board = new StatusBoard(systemClock);
  const around = { clock: systemClock, random: () => 0.5, log };
  const databases = new Databases({ ...around, applicationName: 'test' });
  await databases.use([source.database, target.database]);
  const written = [target];
  const lane = new Lane({
    ...around,
    plan: { kind: 'target', written, readers: [source] },
    definition: () => {
      throw new TypeError('a bug');
    },
    schema: 'tahr',
    databases,
    gate: new RoundGate(),
    report: new LaneReport({ ...around, syncId, written, isMeasured: true, unwatched: () => null, board }),
    reached: passOn,
    mayWrite: () => true,
    readingPlace: new Rendezvous(() => 0),
    onEnd: () => undefined,
    onCatalog: () => undefined,
    onPause: () => undefined,
  });
  lane.start();
  onTestFinished(() => lane.stop());
  expect(await lane.kick()).toBeInstanceOf(TypeError);
  expect(await lane.kick()).toBeInstanceOf(TypeError);
  expect(board.get({ syncId, databaseId: target.database.id })).toMatchObject({
    state: 'stopped',
    lastError: { code: 'internal_error' },
  });
});
