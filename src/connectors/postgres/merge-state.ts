/** What is kept beside the rows of a table that are merged, and the trigger that keeps it as applications write (`merge.ts`). */
import type { RelationId } from '../../model/topology.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import type { MergeKind, MergePlan } from './merge-plan.ts';
import type { StagePlan } from './stage.ts';
import { deltaColumn, keyMatches, type TableKey } from './table.ts';

/** What is beside the rows of a table. */
export const stateTable = (schema: string, id: RelationId): Sql => sql.id(schema, `merge_${id}`);

export const keyNames = (key: TableKey): Sql => sql.join(key.columns.map((_, index) => deltaColumn(index)));

export const createStateTable = (schema: string, id: RelationId, key: TableKey): Sql => sql`
  create table if not exists ${stateTable(schema, id)} (
    ${sql.join(key.columns.map(({ deltaType }, index) => sql`${deltaColumn(index)} ${sql.verbatim(deltaType)}`))},
    state jsonb not null,
    primary key (${keyNames(key)}))`;

export const dropStateTable = (schema: string, id: RelationId): Sql =>
  sql`drop table if exists ${stateTable(schema, id)}`;

/** The state of the row `t` of a source, as a value of its SELECT list. */
export const selectState = (schema: string, id: RelationId, key: TableKey): Sql =>
  sql`(select m.state from ${stateTable(schema, id)} m where ${keyMatches(key, sql`t`, sql`m`)})`;

/** Two rows may look alike and have come about in another way: what both have added to a counter is not in one of them. */
export const stateDiffers = (
  { id, merge, key }: Pick<StagePlan, 'id' | 'merge' | 'key'>,
  schema: string,
): Sql =>
  merge === null
    ? sql`false`
    : sql`s.state is distinct from (select m.state from ${stateTable(schema, id)} m where ${sameKey(key)})`;

/** The staged row `s` and the state `m` are of one row. */
export const sameKey = (key: TableKey): Sql =>
  sql.join(
    key.columns.map((_, index) => sql`m.${deltaColumn(index)} = s.${deltaColumn(index)}`),
    ' and ',
  );

interface CaptureFacts {
  readonly schema: string;
  /** `session_user` of our own sessions. */
  readonly role: string;
  readonly id: RelationId;
  readonly key: TableKey;
  readonly merge: MergePlan;
}

/**
 * The body of the trigger that notes what an application does to a row. A time is never lower than what the row has seen: whoever changes a value
 * has seen it.
 */
export const mergeTriggerBody = ({ schema, role, id, key, merge }: CaptureFacts): Sql => {
  const state = stateTable(schema, id);
  const name = (column: string): Sql => sql.literal(column);
  const own = sql`o`;
  const isOurs = (setting: string): Sql =>
    sql`current_setting(${sql.literal(`${schema}.${setting}`)}, true) = 'on'`;
  const keyOf = (row: Sql): Sql => sql.join(key.columns.map((column) => sql`${row}.${sql.id(column.name)}`));
  const isRow = (row: Sql): Sql =>
    sql.join(
      key.columns.map((column, index) => sql`m.${deltaColumn(index)} = ${row}.${sql.id(column.name)}`),
      ' and ',
    );
  const columns = [...merge];
  const fresh = sql.join(columns.map(([column]) => sql`${name(column)}, v`));
  const noted = columns.map(([column, kind]) => {
    const [before, after] = [sql`old.${sql.id(column)}`, sql`new.${sql.id(column)}`];
    return sql`if row(${before})::record *<> row(${after})::record then ${noteOf(kind, { schema, column, before, after, own })}; end if;`;
  });
  return sql`
declare
  s jsonb;
  o constant integer := (select i.database from ${sql.id(schema, 'identity')} i);
  t bigint := (extract(epoch from now() - coalesce(
                (select c.ahead from ${sql.id(schema, 'clock')} c order by c.since_seq desc limit 1), '0')) * 1000000)::bigint;
  v jsonb;
begin
  if session_user = ${sql.literal(role)} and (${isOurs('apply')} or ${isOurs('merging')}) then return null; end if;
  if tg_op = 'DELETE' then
    delete from ${state} m where ${isRow(sql`old`)};
    return null;
  end if;
  select m.state into s from ${state} m where ${isRow(sql`new`)};
  t := greatest(t, coalesce((s->>'h')::bigint, 0) + 1);
  v := jsonb_build_array(t, o);
  if tg_op = 'UPDATE' and row(${keyOf(sql`old`)})::record *= row(${keyOf(sql`new`)})::record then
    if row(old.*)::record *= row(new.*)::record then return null; end if;
    s := coalesce(s, '{}') || jsonb_build_object('h', t);
    ${sql.join(noted, '\n    ')}
  else
    if tg_op = 'UPDATE' then delete from ${state} m where ${isRow(sql`old`)}; end if;
    s := jsonb_build_object('h', t, 'c', ${columns.length === 0 ? sql`'{}'::jsonb` : sql`jsonb_build_object(${fresh})`});
  end if;
  insert into ${state} (${keyNames(key)}, state) values (${keyOf(sql`new`)}, s)
      on conflict (${keyNames(key)}) do update set state = excluded.state;
  return null;
end`;
};

const noteOf = (
  kind: MergeKind,
  {
    schema,
    column,
    before,
    after,
    own,
  }: {
    readonly schema: string;
    readonly column: string;
    readonly before: Sql;
    readonly after: Sql;
    readonly own: Sql;
  },
): Sql => {
  const name = sql.literal(column);
  switch (kind) {
    case 'last':
      return sql`s := ${sql.id(schema, 'noted')}(s, 'c', ${name}, v)`;
    case 'counter':
      return sql`s := ${sql.id(schema, 'noted_count')}(s, ${name}, ${own}::integer, (${after})::numeric - (${before})::numeric)`;
    case 'object':
      return sql`s := ${sql.id(schema, 'noted_keys')}(s, ${name}, ${before}, ${after}, v)`;
    case 'set':
      return sql`s := ${sql.id(schema, 'noted_elements')}(s, ${name}, (${before})::text[], (${after})::text[], v)`;
    default:
      return kind satisfies never;
  }
};
