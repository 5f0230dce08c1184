/**
 * The stages that a session has, as it remembers them.
 *
 * A round empties those that it has used before it commits. ON COMMIT DELETE ROWS would leave that to the server, which then truncates
 * all stages of the session with each commit, and makes every plan anew in which they are.
 */
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { createStage, type StagePlan } from './stage.ts';

interface StageTable {
  readonly definition: string;
  /** Rows that have been staged since its file was new: those that were deleted stay in it, and are passed each time. */
  readonly usedRowCount: number;
}

/** From so many used rows on the file is given back. */
const usedMax = 1_000;

const nameOf = ({ id }: StagePlan): string => `stage_${id}`;

const tableOf = (session: Session, plan: StagePlan): StageTable | undefined =>
  session.memory.get(nameOf(plan)) as StageTable | undefined;

const remember = (session: Session, plan: StagePlan, table: StageTable): void => {
  session.memory.set(nameOf(plan), table);
};

/** A stage lives as long as its session, and is made anew when the table has changed. */
export const ensureStages = async (session: Session, plans: readonly StagePlan[]): Promise<void> => {
  const wanted = plans.map((plan) => ({ plan, create: createStage(plan), known: tableOf(session, plan) }));
  const missing = wanted.filter(({ create, known }) => known?.definition !== create.inlined());
  if (missing.length === 0) return;
  await session.script(
    ...missing.flatMap(({ plan, create, known }) =>
      known === undefined ? [create] : [sql`drop table if exists ${plan.stage}`, create],
    ),
  );
  for (const { plan, create } of missing)
    remember(session, plan, { definition: create.inlined(), usedRowCount: 0 });
};

/** So many rows more are in the stage. */
export const noteStaged = (session: Session, plan: StagePlan, rowCount: number): void => {
  const table = tableOf(session, plan);
  if (table !== undefined) remember(session, plan, { ...table, usedRowCount: table.usedRowCount + rowCount });
};

/** What leaves the stage empty, to be sent with the commit. */
export const emptyStage = (session: Session, plan: StagePlan): Sql => {
  const table = tableOf(session, plan);
  if (table === undefined || table.usedRowCount <= usedMax) return sql`delete from ${plan.stage}`.planned();
  remember(session, plan, { ...table, usedRowCount: 0 });
  return sql`truncate ${plan.stage}`;
};
