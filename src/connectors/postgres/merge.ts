/**
 * Rows of which both sides of a conflict are kept.
 *
 * A round decides a conflict as always, by versions of rows. Where the contents of those that contend differ, a source then writes the row once
 * more in the same transaction, as an application might have done that knew them all: of each column the later value, counters added up. That is a
 * change of its own, which knows all that it was made from and so goes over it everywhere. Two sources that merge the same versions
 * come to the same content, and equal contents are no conflict; so this ends.
 *
 * Which value is the later one, and who has added what, is kept beside the rows, on sources only: table `merge_<relation>`, written by a trigger
 * as applications write, and by rounds with the rows that they bring. What the values of columns mean is not known here: versions are compared, and
 * of two values one is taken, but for counters, objects and sets.
 */
import { type Sql, sql } from '../../pg/sql.ts';
import { sameRow } from './apply.ts';
import type { MergeKind, MergePlan } from './merge-plan.ts';
import { keyNames, sameKey, stateTable } from './merge-state.ts';
import { fates, isApplied, type StageColumn, type StagePlan } from './stage.ts';
import { deltaColumn, relationOf } from './table.ts';

/** The states of rows that were applied as they came. */
export const keepStates = (plan: StagePlan, schema: string): Sql[] => {
  const state = stateTable(schema, plan.id);
  const names = keyNames(plan.key);
  const staged = stagedKey(plan);
  const isSame = sameKey(plan.key);
  return [
    sql`delete from ${state} m using ${plan.stage} s where ${isApplied} and (not s.present or s.state is null) and ${isSame}`,
    sql`insert into ${state} (${names}, state)
        select ${staged}, s.state from ${plan.stage} s where ${isApplied} and s.present and s.state is not null
            on conflict (${names}) do update set state = excluded.state`,
  ];
};

const isMerged = sql`s.fate = ${sql.literal(fates.merged)}::smallint`;

const stagedKey = (plan: StagePlan): Sql =>
  sql.join(plan.key.columns.map((_, index) => sql`s.${deltaColumn(index)}`));

/**
 * Merges the staged rows whose turn it is, of each key one, into the rows that are there, which are captured as an application's. Rows and
 * states at once, for both need the states from before.
 */
export const mergeRows = (
  plan: StagePlan,
  { schema, merge, turn }: { readonly schema: string; readonly merge: MergePlan; readonly turn: number },
): Sql[] => {
  const state = stateTable(schema, plan.id);
  const names = keyNames(plan.key);
  const staged = stagedKey(plan);
  const isSame = sameKey(plan.key);
  const set = plan.columns
    .filter(({ name, isKey }) => !isKey && !isIdentity(plan, name))
    .map(
      (column) =>
        sql`${sql.id(column.name)} = ${mergedValue(column, merge.get(column.name) ?? 'last', schema)}`,
    );
  const chosen = sql`(select * from (select s.*, row_number() over (partition by ${stagedKey(plan)} order by s.src) as turn
                                     from ${plan.stage} s where ${isMerged}) s where s.turn = ${sql.literal(turn)})`;
  const captured = (isOn: boolean): Sql =>
    sql`select pg_catalog.set_config(${`${schema}.apply`}, ${isOn ? 'off' : 'on'}, true),
               pg_catalog.set_config(${`${schema}.merging`}, ${isOn ? 'on' : 'off'}, true)`;
  return [
    captured(true),
    sql`
    with merged as (
      update ${relationOf(plan.table)} t set ${sql.join(set)}
        from ${chosen} s left join ${state} m on ${isSame}
       where ${sameRow(plan)})
    insert into ${state} (${names}, state)
    select ${staged}, ${sql.id(schema, 'merged_state')}(m.state, s.state)
      from ${chosen} s left join ${state} m on ${isSame}
        on conflict (${names}) do update set state = excluded.state`,
    captured(false),
  ];
};

/** UPDATE may not set it, and nobody changes it. */
const isIdentity = ({ table }: StagePlan, column: string): boolean =>
  table.columns.some(({ name, identity }) => name === column && identity === 'always');

/** Of the row that is there (`t`, its state `m.state`) and of the staged one (`s`), in the type of the column. */
const mergedValue = (
  { name, value, current, baseType }: StageColumn,
  kind: MergeKind,
  schema: string,
): Sql => {
  const literal = sql.literal(name);
  const part = (of: Sql, section: string): Sql => sql`${of}.state->${sql.literal(section)}->${literal}`;
  const [own, other] = [sql`m`, sql`s`];
  const [ownVersion, otherVersion] = [
    sql`coalesce(${part(own, 'c')}, '[0, 0]')`,
    sql`coalesce(${part(other, 'c')}, '[0, 0]')`,
  ];
  switch (kind) {
    case 'last':
      return sql`case when ${ownVersion} > ${otherVersion} then ${current} when ${ownVersion} < ${otherVersion} then ${value}
                      when (${current})::text is null then ${value} when (${value})::text is null then ${current}
                      when (${current})::text collate "C" >= (${value})::text collate "C" then ${current} else ${value} end`;
    case 'counter': {
      const sum = (counts: Sql): Sql => sql`${sql.id(schema, 'sum_of_counts')}(${counts})`;
      const base = (amount: Sql, of: Sql): Sql => sql`(${amount})::numeric - ${sum(part(of, 'n'))}`;
      return sql`(case when ${ownVersion} > ${otherVersion} then ${base(current, own)} when ${ownVersion} < ${otherVersion} then ${base(value, other)}
                       else greatest(${base(current, own)}, ${base(value, other)}) end
                  + ${sum(sql`${sql.id(schema, 'later_counts')}(${part(own, 'n')}, ${part(other, 'n')})`)})::${sql.verbatim(baseType)}`;
    }
    case 'object':
      return sql`${sql.id(schema, 'merged_object')}(${current}, ${part(own, 'k')}, ${part(own, 'c')}, ${value}, ${part(other, 'k')}, ${part(other, 'c')})`;
    case 'set':
      return sql`${sql.id(schema, 'merged_set')}((${current})::text[], ${part(own, 'k')}, ${part(own, 'c')}, (${value})::text[], ${part(other, 'k')}, ${part(other, 'c')})::${sql.verbatim(baseType)}`;
    default:
      return kind satisfies never;
  }
};

/** How many rows of one key are merged at most, as `most`. */
export const countOfMerged = (plan: StagePlan): Sql => sql`
  select coalesce(max(count), 0) as most
    from (select count(*) from ${plan.stage} s where ${isMerged} group by ${stagedKey(plan)}) c`;
