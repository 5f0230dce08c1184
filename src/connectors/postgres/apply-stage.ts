/**
 * Brings a table to what its stage says, and looks whether that has happened: rows staged = updated + equal +
 * inserted, or the round fails (engine rule R8).
 */
import { isReplicationError, ReplicationError } from '../../model/errors.ts';
import { formatRelation } from '../../model/topology.ts';
import { all, type Request, say } from '../../pg/request.ts';
import type { Row, Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import {
  deferrableCollisions,
  deleteGone,
  deleteStaged,
  insertMissing,
  needsReplacement,
  updateChanged,
} from './apply.ts';
import { anyWay, byIndex, onlyByIndex } from './by-index.ts';
import type { LocalChanges } from './contest.ts';
import { chooseFinding, guidanceFor, statisticsOf } from './finding-rows.ts';
import type { Snapshot } from './position.ts';
import type { StagePlan } from './stage.ts';
import { checksOf } from './verify.ts';

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
  /** From when on the rows have been locked against applications; null: none writes this database. */
  readonly since: Snapshot | null;
  readonly local: LocalChanges | null;
}

/** From so many staged rows on the best plan depends on what the tables hold, and is worth a message of its own. */
const manyMin = 10_000;

/**
 * Applies what is staged and not lost, of all tables of a round.
 * @param last what is to be asked after all rows are written
 * @throws ReplicationError `unique_conflict`, `row_refused`, `row_refused_by_trigger`, `given_way`, what `last` throws, and what else the server says
 */
export const applyStages = async (
  session: Session,
  contexts: readonly ApplyContext[],
  last: Request<void>,
): Promise<AppliedRows[]> => {
  const batches = batchesOf(contexts);
  const final = batches.pop() ?? [];
  const applied: AppliedRows[] = [];
  for (const batch of batches) applied.push(...(await applyBatch(session, batch, nothing)));
  return [...applied, ...(await applyBatch(session, final, last))];
};

const nothing = say();

/** Tables, in their order, that go together in a message: so many that their rows are few, or one by itself. */
const batchesOf = (contexts: readonly ApplyContext[]): ApplyContext[][] => {
  const batches: ApplyContext[][] = [];
  for (const context of contexts) {
    const batch = batches.at(-1);
    if (batch !== undefined && areFew([...batch, context])) batch.push(context);
    else batches.push([context]);
  }
  return batches;
};

const areFew = (contexts: readonly ApplyContext[]): boolean =>
  sumOf(contexts.map(({ stagedRowCount }) => stagedRowCount)) < manyMin &&
  !contexts.some(({ plan }) => needsReplacement(plan));

const applyBatch = async (
  session: Session,
  contexts: readonly ApplyContext[],
  last: Request<void>,
): Promise<AppliedRows[]> => {
  if (areFew(contexts)) {
    try {
      return await applyTogether(session, contexts, last);
    } catch (error) {
      if (!isReplicationError(error, 'unique_conflict')) throw error;
      await session.script(rollback);
    }
  }
  const applied: AppliedRows[] = [];
  for (const context of contexts) applied.push(await applyStage(context));
  if (last !== nothing) await session.ask(last);
  return applied;
};

const savepoint = sql`savepoint before_apply`;
const rollback = sql`rollback to savepoint before_apply`;

/** All in one message, planned once for the session: rows are found by the index, which never costs more than the rows are. */
const applyTogether = async (
  session: Session,
  contexts: readonly ApplyContext[],
  last: Request<void>,
): Promise<AppliedRows[]> => {
  const [, applied, verdicts] = await session.ask(
    say(savepoint, onlyByIndex),
    all<AppliedRows[]>(contexts.map(changesOf)),
    all<Verdict[]>(contexts.map(verdictOf)),
    say(anyWay),
    last,
  );
  for (const [index, verdict] of verdicts.entries()) await conclude(contexts[index] as ApplyContext, verdict);
  return applied;
};

const changesOf = ({ plan, since }: ApplyContext): Request<AppliedRows> => ({
  statements: [deleteGone(plan), ...updateChanged(plan), insertMissing(plan, since !== null)].map(
    (statement) => statement.planned(),
  ),
  read: (answers) => {
    const [deleted = 0, ...others] = answers.map(({ count }) => count);
    return { deleted, updated: sumOf(others.slice(0, -1)), inserted: others.at(-1) ?? 0 };
  },
});

/** One table by itself. */
const applyStage = async (context: ApplyContext): Promise<AppliedRows> => {
  const applied = needsReplacement(context.plan) ? await replace(context) : await update(context);
  const [verdict] = await context.session.ask(verdictOf(context));
  await conclude(context, verdict);
  return applied;
};

/** Values that change places between rows collide on the way; then the rows are taken out and put back. */
const update = async (context: ApplyContext): Promise<AppliedRows> => {
  const { session, stagedRowCount } = context;
  try {
    return stagedRowCount < manyMin ? await updateFew(context) : await updateMany(context);
  } catch (error) {
    if (!isReplicationError(error, 'unique_conflict')) throw error;
    await session.script(rollback);
    return replace(context);
  }
};

const updateFew = async (context: ApplyContext): Promise<AppliedRows> => {
  const [, applied] = await context.session.ask(say(savepoint, onlyByIndex), changesOf(context), say(anyWay));
  return applied;
};

/** Where all rows that were staged have been found, none is missing, and none is looked for. */
const updateMany = async (context: ApplyContext): Promise<AppliedRows> => {
  const { session, plan, since, stagedRowCount } = context;
  const [, statistics] = await session.ask(say(savepoint), statisticsOf(plan.table, plan.key));
  const way = chooseFinding(stagedRowCount, statistics);
  const { before, after } = way === 'merge' ? guidanceFor.merge : guidanceFor.lookups;
  const [, [deleted = 0, ...counts]] = await session.ask(
    say(...before),
    countsOf(deleteGone(plan), ...updateChanged(plan)),
    say(...after),
  );
  const updated = sumOf(counts);
  if (deleted + updated === stagedRowCount) return { deleted, updated, inserted: 0 };
  const [, [inserted = 0]] = await session.ask(
    say(onlyByIndex, ...before),
    countsOf(insertMissing(plan, since !== null)),
    say(...after, anyWay),
  );
  return { deleted, updated, inserted };
};

const countsOf = (...statements: readonly Sql[]): Request<number[]> => ({
  statements,
  read: (answers) => answers.map(({ count }) => count),
});

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

/** What others have had to do with the rows that were written. */
interface Verdict {
  /** The deferrable constraint on which rows collide; null: none. */
  readonly collision: string | null;
  /** A staged row did not get in, for which a row with another key may be the reason; null: all did. */
  readonly notInserted: { readonly collides: boolean } | null;
  readonly isRefused: boolean;
  readonly isOvertaken: boolean;
}

const verdictOf = ({ plan, since, local }: ApplyContext): Request<Verdict> => {
  const collisions = deferrableCollisions(plan);
  const checks = checksOf(plan, { since, local });
  const statements = [...collisions, checks.notInserted, checks.suppressed, checks.overtaken];
  return {
    statements: statements.filter((statement) => statement !== null),
    read: (answers) => {
      const rows = answers.map((answer) => answer.rows);
      const collided = rows.splice(0, collisions.length).flat();
      const rowsOf = (check: Sql | null): readonly Row[] => (check === null ? [] : (rows.shift() ?? []));
      const [missing] = rowsOf(checks.notInserted);
      return {
        collision: collided[0]?.['constraint'] ?? null,
        notInserted: missing === undefined ? null : { collides: missing['collides'] === 't' },
        isRefused: rowsOf(checks.suppressed).length > 0,
        isOvertaken: rowsOf(checks.overtaken).length > 0,
      };
    },
  };
};

/** An application that wrote the same rows comes first: then nothing can be said about a trigger. */
const conclude = async (context: ApplyContext, verdict: Verdict): Promise<void> => {
  const { session, plan } = context;
  const { collision, notInserted, isRefused, isOvertaken } = verdict;
  if (collision !== null) throw collided(context, collision);
  const [, late = 0] =
    notInserted?.collides === true ? await session.counts(...byIndex(insertMissing(plan, false))) : [];
  if (isOvertaken || late > 0) throw givenWay(context);
  if (isRefused) throw refusedByTrigger(context);
  if (notInserted !== null && !plan.table.firesInReplicaRole) throw givenWay(context);
};

type Place = Pick<ApplyContext, 'session' | 'plan'>;

const collided = (place: Place, constraint: string): ReplicationError =>
  failure(
    'unique_conflict',
    place,
    (table) => `rows of ${table} collide on the deferrable constraint ${constraint}`,
  );

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
