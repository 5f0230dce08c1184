/**
 * Brings a table to what its stage says, and looks whether that has happened: rows staged = updated + equal +
 * inserted, or the round fails (engine rule R8).
 */
import { isReplicationError, ReplicationError } from '../../model/errors.ts';
import { formatRelation } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';
import {
  deferrableCollisions,
  deleteGone,
  deleteStaged,
  insertMissing,
  needsReplacement,
  updateChanged,
} from './apply.ts';
import { byIndex } from './by-index.ts';
import type { LocalChanges } from './contest.ts';
import type { Snapshot } from './position.ts';
import type { StagePlan } from './stage.ts';
import { suppressed, written } from './verify.ts';

/** What a round has written to one table. */
export interface AppliedRows {
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
}

export interface ApplyContext {
  readonly session: Session;
  readonly plan: StagePlan;
  readonly stagedRowCount: number;
  /** Applications write this database too. */
  readonly hasWriters: boolean;
  /** From when on the rows have been locked. */
  readonly since: Snapshot;
  readonly local: LocalChanges | null;
}

/**
 * Applies what is staged and not lost.
 * @throws ReplicationError `unique_conflict`, `row_refused`, `row_refused_by_trigger`, `given_way` and what else the server says
 */
export const applyStage = async (context: ApplyContext): Promise<AppliedRows> => {
  const { plan, hasWriters } = context;
  const applied = needsReplacement(plan) ? await replace(context) : await update(context);
  await checkDeferrable(context);
  if (hasWriters) await checkWritten(context);
  else if (plan.table.firesInReplicaRole) await checkSuppressed(context);
  return applied;
};

const savepoint = sql`savepoint before_apply`;

/** Values that change places between rows collide on the way; then the rows are taken out and put back. */
const update = async (context: ApplyContext): Promise<AppliedRows> => {
  const { session, stagedRowCount } = context;
  try {
    return stagedRowCount < manyMin ? await updateFew(context) : await updateMany(context);
  } catch (error) {
    if (!isReplicationError(error, 'unique_conflict')) throw error;
    await session.script(sql`rollback to savepoint before_apply`);
    return replace(context);
  }
};

/** From so many staged rows on the best plan depends on what the tables hold, and is worth a message of its own. */
const manyMin = 10_000;

/** In one message, planned once for the session: rows are found by the index, which never costs more than the rows are. */
const updateFew = async ({ session, plan, hasWriters }: ApplyContext): Promise<AppliedRows> => {
  const changes = [deleteGone(plan), ...updateChanged(plan), insertMissing(plan, hasWriters)];
  const counts = await session.counts(savepoint, ...byIndex(...changes.map((change) => change.planned())));
  const [deleted = 0, ...others] = counts.slice(2, -1);
  return { deleted, updated: sumOf(others.slice(0, -1)), inserted: others.at(-1) ?? 0 };
};

/** Where all rows that were staged have been found, none is missing, and none is looked for. */
const updateMany = async (context: ApplyContext): Promise<AppliedRows> => {
  const { session, plan, hasWriters, stagedRowCount } = context;
  const [, deleted = 0, ...counts] = await session.counts(
    savepoint,
    deleteGone(plan),
    ...updateChanged(plan),
  );
  const updated = sumOf(counts);
  if (deleted + updated === stagedRowCount) return { deleted, updated, inserted: 0 };
  const [, inserted = 0] = await session.counts(...byIndex(insertMissing(plan, hasWriters)));
  return { deleted, updated, inserted };
};

const sumOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

const replace = async ({ session, plan }: ApplyContext): Promise<AppliedRows> => {
  const [, deleted = 0, inserted = 0] = await session.counts(
    ...byIndex(deleteStaged(plan), insertMissing(plan, false)),
  );
  return {
    deleted: Math.max(0, deleted - inserted),
    updated: Math.min(deleted, inserted),
    inserted: Math.max(0, inserted - deleted),
  };
};

const checkDeferrable = async ({ session, plan }: ApplyContext): Promise<void> => {
  const checks = deferrableCollisions(plan);
  if (checks.length === 0) return;
  const collision = (await session.script(...checks)).flat()[0];
  if (collision === undefined) return;
  throw failure(
    'unique_conflict',
    { session, plan },
    (table) => `rows of ${table} collide on the deferrable constraint ${collision['constraint']}`,
  );
};

const checkSuppressed = async ({ session, plan }: ApplyContext): Promise<void> => {
  const [rows = []] = await session.script(suppressed(plan));
  if (rows.length > 0) throw refusedByTrigger({ session, plan });
};

/** An application that wrote the same rows comes first: then nothing can be said about a trigger. */
const checkWritten = async ({ session, plan, since, local }: ApplyContext): Promise<void> => {
  const checks = written(plan, since, local);
  const [notInserted = [], refused = [], overtaken = []] = await session.script(
    checks.notInserted,
    checks.suppressed,
    checks.overtaken,
  );
  const [missing] = notInserted;
  const [, late = 0] =
    missing?.['collides'] === 't' ? await session.counts(...byIndex(insertMissing(plan, false))) : [];
  if (overtaken.length > 0 || late > 0) throw givenWay({ session, plan });
  if (refused.length > 0) throw refusedByTrigger({ session, plan });
  if (missing !== undefined && !plan.table.firesInReplicaRole) throw givenWay({ session, plan });
};

type Place = Pick<ApplyContext, 'session' | 'plan'>;

const refusedByTrigger = (place: Place): ReplicationError =>
  failure(
    'row_refused_by_trigger',
    place,
    (table) =>
      `a trigger or rule of ${table} that is enabled as ALWAYS or REPLICA suppressed a replicated row, or changed its key`,
  );

const givenWay = (place: Place): ReplicationError =>
  failure('given_way', place, (table) => `an application wrote rows of ${table} at the same moment`);

const failure = (
  code: 'unique_conflict' | 'row_refused_by_trigger' | 'given_way',
  { session, plan }: Place,
  what: (table: string) => string,
): ReplicationError => {
  const { relation } = plan.table;
  return new ReplicationError(code, {
    message: `${session.label}: ${what(formatRelation(relation))}.`,
    facts: { database: session.label, schema: relation.schema, table: relation.name },
  });
};
