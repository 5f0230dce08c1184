/**
 * What is looked at once more before a commit, where somebody else may have had a hand in the rows.
 *
 * - Applications write too: rows that did not exist could not be locked, so an application may have inserted one, or
 *   inserted and deleted it, since its key was looked at.
 * - A trigger or rule fires for our rows: it may have kept one out, or changed it (engine rule R8).
 *
 * The statements run in the order in which they are here: what an application commits between them is seen by the last.
 */
import { type Sql, sql } from '../../pg/sql.ts';
import { rowDiffers, sameRow } from './apply.ts';
import type { LocalChanges } from './contest.ts';
import { changedKeys, sameKey } from './entries.ts';
import type { Snapshot } from './position.ts';
import { isApplied, type StagePlan } from './stage.ts';
import { isThere, relationOf } from './table.ts';

/** Null: there is nothing to look at. */
interface Checks {
  /** A row if a staged row did not get in; `collides` when it is not its key that is taken. */
  readonly notInserted: Sql | null;
  /** A row if a staged row is not in force, and no statement of ours has written what is there. */
  readonly suppressed: Sql | null;
  /**
   * A row if a key of the stage was changed by an application after `since`: also where the row stays as it is, for then it is in the
   * conflict record, as it was when that was written, under the version that was read before.
   */
  readonly overtaken: Sql | null;
}

export const checksOf = (
  plan: StagePlan,
  { since, local }: { readonly since: Snapshot | null; readonly local: LocalChanges | null },
): Checks => ({
  notInserted: since === null ? null : notInserted(plan),
  suppressed: plan.table.firesInReplicaRole ? suppressed(plan) : null,
  overtaken: since === null || local === null ? null : overtaken(plan, since, local),
});

const notInserted = (plan: StagePlan): Sql => {
  const isMissing = sql`not ${isThere(sql`t`)}`;
  return sql`
    select ${isMissing} as collides
      from ${plan.stage} s left join ${relationOf(plan.table)} t on ${sameRow(plan)}
     where s.present and ${isApplied} and (${isMissing} or ${rowDiffers(plan)})
     order by 1 desc
     limit 1`;
};

const overtaken = (plan: StagePlan, since: Snapshot, local: LocalChanges): Sql => sql`
    select
      from (${changedKeys({ ...local.scope, since })}) d
      join ${plan.stage} s on ${sameKey(plan.key, sql`s`, sql`d`)}
     limit 1`;

/**
 * A row that differs although it was written in this transaction, by a trigger's leave, is as the user wants it. What
 * the transaction wrote has its number or, under a savepoint, a later one.
 */
const suppressed = (plan: StagePlan): Sql => {
  const exists = isThere(sql`t`);
  const isOurs = sql`pg_catalog.age(t.xmin) <= pg_catalog.age(pg_catalog.pg_current_xact_id()::pg_catalog.xid)`;
  return sql`
    select
      from ${plan.stage} s left join ${relationOf(plan.table)} t on ${sameRow(plan)}
     where ${isApplied}
       and (s.present <> ${exists} or (s.present and ${rowDiffers(plan)} and not ${isOurs}))
     limit 1`;
};
