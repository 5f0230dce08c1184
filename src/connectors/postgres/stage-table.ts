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
export const ensureStage = async (session: Session, plan: StagePlan): Promise<void> => {
  const create = createStage(plan);
  const definition = create.inlined();
  const known = tableOf(session, plan);
  if (known?.definition === definition) return;
  await session.script(...(known === undefined ? [] : [sql`drop table if exists ${plan.stage}`]), create);
  remember(session, plan, { definition, usedRowCount: 0 });
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
