import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { ReplicationError } from '../model/errors.ts';
import type { Database, DatabaseId, DatabaseName, Member, SyncId } from '../model/topology.ts';
import { systemClock } from '../runtime/clock.ts';
import { createLog } from '../runtime/log.ts';
import { LaneReport, type Unwatched } from './lane-report.ts';
import { StatusBoard } from './status-board.ts';
import type { RoundRecord } from '../control/round.ts';

const syncId = 'id' as SyncId;
const database = (id: number, name: string): Database => ({
  id: id as DatabaseId,
  name: name as DatabaseName,
  status: 'active',
  parameters: {},
  makedelta: false,
});
const [a, b, c] = [database(1, 'A'), database(2, 'B'), database(3, 'C')];
const targets: Member[] = [b, c].map((target) => ({ role: 'target', database: target }));
const applied = { inserted: 1, updated: 0, deleted: 0, conflicts: 0 };

/** A board that also keeps the rounds that it was told of. */
class RememberingBoard extends StatusBoard {
  readonly rounds: RoundRecord[] = [];

  override record(round: RoundRecord): void {
    this.rounds.push(round);
    super.record(round);
  }
}

const reportOf = (unwatched: () => Unwatched | null) => {
  const board = new RememberingBoard(systemClock);
  const log = createLog({ level: 'debug', destination: new PassThrough().resume() });
  const report = new LaneReport({
    syncId,
    written: targets,
    isMeasured: true,
    unwatched,
    board,
    clock: systemClock,
    log,
  });
  const stateOf = ({ id }: Database) => board.get({ syncId, databaseId: id });
  return { report, stateOf, rounds: board.rounds };
};

test('a lane whose source is not watched waits for it until the watch is back', () => {
  const error = new ReplicationError('database_unreachable', { message: 'The watch was refused.' });
  let unwatched: Unwatched | null = { database: a, error };
  const { report, stateOf } = reportOf(() => unwatched);
  report.begin(targets);
  report.end(
    new Map([
      [b.id, { kind: 'empty' }],
      [c.id, { kind: 'good', applied, isCopy: false, isSettled: true }],
    ]),
  );
  for (const target of [b, c]) {
    expect(stateOf(target)).toMatchObject({
      state: 'waiting',
      waitingFor: 'database A',
      lastError: { code: 'database_unreachable' },
      rowsBehind: null,
    });
  }
  unwatched = null;
  report.end(new Map(targets.map((target) => [target.database.id, { kind: 'empty' }])));
  for (const target of [b, c]) expect(stateOf(target)).toMatchObject({ state: 'idle', lastError: null });
});

test('of a round that was cut off only what was committed is told', () => {
  const { report, stateOf, rounds } = reportOf(() => null);
  report.begin(targets);
  const committed = report.cutOff(
    new Map([
      [b.id, { kind: 'good', applied, isCopy: false, isSettled: true }],
      [c.id, { kind: 'bad', error: new TypeError('cut off') }],
    ]),
  );
  expect([...committed.keys()]).toEqual([b.id]);
  expect(rounds).toMatchObject([{ databaseId: b.id, outcome: 'good', ...applied }]);
  expect(stateOf(b)).toMatchObject({ state: 'idle', lastGoodAt: rounds[0]?.endedAt });
  expect(stateOf(c)).toMatchObject({ state: 'starting', lastError: null, lastBadAt: null });
});
