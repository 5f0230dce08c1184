/** Seen to fail: with the last positions found by sorting all of a sync, and older ones removed by a range. */
import { expect, test } from 'vitest';
import { createDatabase } from '../../../test/support/databases.ts';
import { positionAt } from '../../../test/support/position.ts';
import type { DatabaseId, SyncId } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { installSchema } from './identity.ts';
import {
  beginPosition,
  movePosition,
  type Position,
  type PositionMove,
  readPositions,
  selectPositions,
} from './position.ts';

const schema = 'tahr';
const sync = '22222222-2222-2222-2222-222222222222' as SyncId;
const sources = [1, 2, 3] as const;

const atStep = (source: number, seq: bigint): Position => positionAt(source, { seq, xmax: seq + 1n });

const step = (source: number, seq: bigint): PositionMove => ({
  from: atStep(source, seq - 1n),
  to: atStep(source, seq),
});

const moveTo = (session: Session, seq: bigint): Promise<unknown> =>
  session.script(
    sql`begin`,
    ...sources.flatMap((source) => movePosition(schema, sync, step(source, seq))),
    sql`commit`,
  );

/** How many pages a statement looks at. */
const pagesOf = async (session: Session, statement: Sql): Promise<number> => {
  const [, plan] = await session.script(
    sql`begin`,
    sql`explain (analyze, buffers, format json) ${statement}`,
    sql`rollback`,
  );
  const [{ Plan: node }] = JSON.parse(plan?.[0]?.['QUERY PLAN'] ?? '') as [{ Plan: Record<string, number> }];
  return (node['Shared Hit Blocks'] ?? 0) + (node['Shared Read Blocks'] ?? 0);
};

test('positions are found and moved at the same cost, however often they have moved while a transaction stays open', async () => {
  const database = await createDatabase('position');
  const session = await database.session();
  const owner = { schema, installation: '11111111-1111-1111-1111-111111111111', database: 1 as DatabaseId };
  await installSchema(session, owner);
  const patient = await database.session();
  await patient.script(sql`begin isolation level repeatable read`, sql`select count(*) from pg_class`);
  const costAt = async (seq: bigint): Promise<number> => {
    const move = movePosition(schema, sync, step(1, seq + 1n));
    return (await pagesOf(session, selectPositions(schema, sync))) + (await pagesOf(session, move[1]));
  };
  await session.script(...sources.map((source) => beginPosition(schema, sync, atStep(source, 0n))));
  for (let seq = 1n; seq < 100n; seq += 1n) await moveTo(session, seq);
  const before = await costAt(99n);
  for (let seq = 100n; seq < 2000n; seq += 1n) await moveTo(session, seq);
  expect(await costAt(1999n)).toBeLessThan(before + 10);
  const positions = await readPositions(session, schema, sync);
  expect(positions.map(({ source, seq }) => [source, seq])).toEqual([
    [3, 1999n],
    [2, 1999n],
    [1, 1999n],
  ]);
  expect(await session.query(sql`select count(*) from tahr.position`)).toEqual([{ count: '6' }]);
});
