/** What a stage would do to its table, told without doing it: nothing is locked and nothing outside of the stage is written. */
import type { DatabaseId } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';
import { keyText, rowDiffers, sameRow } from './apply.ts';
import { isApplied, type StagePlace, type StagePlan } from './stage.ts';
import { isThere, relationOf } from './table.ts';

/** What becomes of the staged rows of one source. */
export interface StagedCounts {
  /** Null where a stage has one source only, and its rows do not say which. */
  readonly source: DatabaseId | null;
  readonly inserted: number;
  readonly updated: number;
  readonly deleted: number;
  /** The table has what was staged. */
  readonly equal: number;
  /** Another version of the row wins, or another source has sent the same one. */
  readonly notTaken: number;
}

/** By source; to be asked when the verdicts have been marked. */
export const countStaged = async (session: Session, plan: StagePlan): Promise<StagedCounts[]> => {
  const exists = isThere(sql`t`);
  const rows = await session.query(sql`
    select source, count(*) filter (where is_applied and present and not is_there) as inserted,
           count(*) filter (where is_applied and present and is_there and differs) as updated,
           count(*) filter (where is_applied and not present and is_there) as deleted,
           count(*) filter (where is_applied and present = is_there and not differs) as equal,
           count(*) filter (where not is_applied) as not_taken
      from (
        select ${plan.hasVersions ? sql`s.src` : sql`null::integer`} as source, ${isApplied} as is_applied,
               s.present, ${exists} as is_there, (s.present and ${exists} and ${rowDiffers(plan)}) as differs
          from ${plan.stage} s left join ${relationOf(plan.table)} t on ${sameRow(plan)}
      ) v
     group by source
     order by source`);
  return rows.map((row) => ({
    source: typeof row['source'] === 'string' ? (Number(row['source']) as DatabaseId) : null,
    inserted: Number(row['inserted']),
    updated: Number(row['updated']),
    deleted: Number(row['deleted']),
    equal: Number(row['equal']),
    notTaken: Number(row['not_taken']),
  }));
};

export interface StagedRow {
  /** For people. */
  readonly key: string;
  /** The source that sent it has the row. */
  readonly isPresent: boolean;
  /** The written database has the row now. */
  readonly isThere: boolean;
}

/** Staged rows by their places. */
export const describeStaged = async (
  session: Session,
  plan: StagePlan,
  places: readonly StagePlace[],
): Promise<ReadonlyMap<StagePlace, StagedRow>> => {
  const rows = await session.query(sql`
    select s.ctid as place, ${keyText(plan, sql`s`)} as key, s.present as is_present, ${isThere(sql`t`)} as is_there
      from ${plan.stage} s left join ${relationOf(plan.table)} t on ${sameRow(plan)}
     where s.ctid = any (${places}::tid[])`);
  return new Map(
    rows.map((row) => [
      row['place'] ?? '',
      { key: row['key'] ?? '', isPresent: row['is_present'] === 't', isThere: row['is_there'] === 't' },
    ]),
  );
};
