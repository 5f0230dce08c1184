/**
 * What is looked at once more before a commit where applications write too: rows that did not exist could not
 * be locked, so an application may have inserted one, or inserted and deleted it, since its key was looked at.
 */
import { type Sql, sql } from '../../pg/sql.ts';
import { rowDiffers, sameRow } from './apply.ts';
import type { LocalChanges } from './contest.ts';
import { changedKeys, sameKey } from './entries.ts';
import type { Snapshot } from './position.ts';
import { fates, type StagePlan } from './stage.ts';
import { isThere, relationOf } from './table.ts';

interface Checks {
  /** A row if a staged row did not get in; `collides` when it is not its key that is taken. */
  readonly notInserted: Sql;
  /** A row if a key that we wrote was changed by an application after `since`. */
  readonly overtaken: Sql | null;
}

export const inserted = (plan: StagePlan, since: Snapshot, local: LocalChanges | null): Checks => {
  const table = relationOf(plan.table);
  const isMissing = sql`not ${isThere(sql`t`)}`;
  return {
    notInserted: sql`
      select ${isMissing} as collides
        from ${plan.stage} s left join ${table} t on ${sameRow(plan)}
       where s.present and s.fate = ${fates.apply}::smallint and (${isMissing} or ${rowDiffers(plan)})
       order by 1 desc
       limit 1`,
    overtaken:
      local === null
        ? null
        : sql`
      select
        from (${changedKeys({ ...local.scope, since })}) d
        join ${plan.stage} s on ${sameKey(plan.key, sql`s`, sql`d`)}
       where s.present and s.fate = ${fates.apply}::smallint
       limit 1`,
  };
};
