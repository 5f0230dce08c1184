/** How far the databases of a sync are behind, measured only where a lane has not just said that all is in step. */
import { measureLag } from '../connectors/postgres/lag.ts';
import { type Position, readPositions } from '../connectors/postgres/position.ts';
import { isReplicationError } from '../model/errors.ts';
import type { DatabaseId, Member, SyncDefinition } from '../model/topology.ts';
import type { Clock } from '../runtime/clock.ts';
import { forEachInTurn } from './background.ts';
import type { Databases } from './databases.ts';
import type { Lane } from './lane.ts';
import type { StatusBoard } from './status-board.ts';

interface LagMeter {
  readonly sync: SyncDefinition;
  readonly lanes: readonly Lane[];
  readonly schema: string;
  readonly databases: Databases;
  readonly board: StatusBoard;
  readonly clock: Clock;
}

/** A lane that has been at something for longer than this may be behind. */
const busyAfterMs = 1_000;

/** One that cannot be measured does not keep the others waiting. */
export const measureLags = async (meter: LagMeter): Promise<void> => {
  const measured = meter.lanes.filter(({ plan }) => plan.kind !== 'fullcopy');
  const all = measured.flatMap((lane) => lane.plan.written.map((member) => ({ lane, member })));
  await forEachInTurn(all, async ({ lane, member }) => {
    if (!mayBeBehind(meter, member)) return;
    const lag = await lagOf(meter, lane, member);
    if (lag !== null && mayBeBehind(meter, member)) meter.board.update(placeOf(meter, member), lag);
  });
};

const placeOf = ({ sync }: LagMeter, { database }: Member) => ({ syncId: sync.id, databaseId: database.id });

const mayBeBehind = (meter: LagMeter, member: Member): boolean => {
  const { state, since } = meter.board.get(placeOf(meter, member));
  // The clock may have been set back since.
  return state !== 'idle' && Math.abs(meter.clock.now() - since) >= busyAfterMs;
};

type LagState = { readonly rowsBehind: number; readonly secondsBehind: number };

/** Null: no source could be asked. */
const lagOf = async (meter: LagMeter, lane: Lane, member: Member): Promise<LagState | null> => {
  const { databases, schema, sync } = meter;
  const reachable = lane.plan.readers.filter(
    ({ database }) => database.id !== member.database.id && databases.isUp(database.id),
  );
  const positions =
    lane.lastPositions(member.database.id) ?? (await readPositionsOf(meter, member.database.id));
  const tables = sync.relations.filter(({ kind }) => kind === 'table').map(({ id }) => id);
  const consumer = { sync: sync.id, database: member.database.id };
  const lags = [];
  for (const { database } of reachable) {
    const position = positions.find(({ source }) => source === database.id)?.snapshot ?? null;
    await using loan = await databases.borrow(database.id);
    lags.push(await measureLag(loan.session, { schema, consumer, tables, position }));
  }
  if (lags.length === 0) return null;
  return {
    rowsBehind: lags.reduce((sum, { changeCount }) => sum + changeCount, 0),
    secondsBehind: Math.max(...lags.map(({ ageS }) => ageS)),
  };
};

/** None while it cannot be asked. */
const readPositionsOf = async (
  { databases, schema, sync }: LagMeter,
  database: DatabaseId,
): Promise<Position[]> => {
  if (!databases.isUp(database)) return [];
  try {
    await using loan = await databases.borrow(database);
    return await readPositions(loan.session, schema, sync.id);
  } catch (error) {
    if (!isReplicationError(error)) throw error;
    return [];
  }
};
