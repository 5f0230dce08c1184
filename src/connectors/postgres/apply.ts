/**
 * The statements that bring a table to what its stage says.
 *
 * Existing rows that differ are updated, missing ones inserted, gone ones deleted; equal rows are left alone: no
 * lock, no bloat, and a change that comes back changes nothing (engine rule §5). "Equal" is equality of bytes
 * (`*<>`, PostgreSQL manual 9.25.6), so 1.0 becomes 1.00 and types without an equality operator are compared too.
 */
import { type Sql, sql } from '../../pg/sql.ts';
import { isApplied, type StageColumn, type StagePlan } from './stage.ts';
import { deltaColumn, keyMatches, keyValue, relationOf } from './table.ts';

/** The row of the table `t` that a row of the stage `s` names. */
export const sameRow = (plan: StagePlan): Sql => keyMatches(plan.key, sql`t`, sql`s`);

/** The staged row and the table's differ in a column that is sent. */
export const rowDiffers = (plan: StagePlan): Sql => differs(plan.columns);

/** Through `record`, or the server would look for the operator on each pair of columns. */
const differs = (columns: readonly StageColumn[]): Sql =>
  columns.length === 0
    ? sql`false`
    : sql`row(${sql.join(columns.map(({ current }) => current))})::record operator(pg_catalog.*<>)
          row(${sql.join(columns.map(({ value }) => value))})::record`;

export const deleteGone = (plan: StagePlan): Sql => sql`
  delete from ${relationOf(plan.table)} t using ${plan.stage} s
   where ${isApplied} and not s.present and ${sameRow(plan)}`;

/**
 * Key columns are left out where their bytes are the same: setting them would take a stronger lock and end HOT.
 * Where equal keys may have different bytes, a first statement takes the rows whose key is spelled differently.
 */
export const updateChanged = (plan: StagePlan): Sql[] => {
  const isExact = plan.key.columns.every((column) => column.equalityIsBytes);
  const keyColumns = plan.columns.filter(({ isKey }) => isKey);
  const others = plan.columns.filter(({ isKey }) => !isKey);
  return [
    ...(isExact ? [] : [update(plan, plan.columns, differs(keyColumns))]),
    ...(others.length === 0 ? [] : [update(plan, others, differs(others))]),
  ];
};

const update = (plan: StagePlan, columns: readonly StageColumn[], condition: Sql): Sql => sql`
  update ${relationOf(plan.table)} t
     set ${sql.join(updatable(plan, columns).map(({ name, value }) => sql`${sql.id(name)} = ${value}`))}
    from ${plan.stage} s
   where ${isApplied} and s.present and ${sameRow(plan)} and ${condition}`;

/** UPDATE may not set a column that is GENERATED ALWAYS AS IDENTITY; one of the key is an integer, and the same already. */
const updatable = (plan: StagePlan, columns: readonly StageColumn[]): readonly StageColumn[] => {
  const always = identityAlways(plan);
  return columns.filter(({ name }) => !always.has(name));
};

/** @param skipTaken true where applications insert too: a row that came in between is not an error of the server's */
export const insertMissing = (plan: StagePlan, skipTaken: boolean): Sql => sql`
  insert into ${sql.id(plan.table.relation.schema, plan.table.relation.name)}
         (${sql.join(plan.columns.map(({ name }) => sql.id(name)))})
         overriding system value
  select ${sql.join(plan.columns.map(({ value }) => value))}
    from ${plan.stage} s
   where ${isApplied} and s.present
     and not exists (select from ${relationOf(plan.table)} t where ${sameRow(plan)})
  ${skipTaken && !plan.table.refusesOnConflict ? sql`on conflict do nothing` : sql.empty}`;

/**
 * For rows that UPDATE cannot serve: unique values that change places between rows, and columns that are
 * GENERATED ALWAYS AS IDENTITY. Only where nobody else writes, or after the rows have been locked.
 */
export const deleteStaged = (plan: StagePlan): Sql => sql`
  delete from ${relationOf(plan.table)} t using ${plan.stage} s
   where ${isApplied} and ${sameRow(plan)} and (not s.present or ${rowDiffers(plan)})`;

/** True for a non-key column that UPDATE may only set to DEFAULT. */
export const needsReplacement = (plan: StagePlan): boolean => {
  const always = identityAlways(plan);
  return plan.columns.some(({ name, isKey }) => always.has(name) && !isKey);
};

const identityAlways = (plan: StagePlan): ReadonlySet<string> =>
  new Set(plan.table.columns.filter(({ identity }) => identity === 'always').map(({ name }) => name));

/**
 * Locks the rows that will be written, in the order of the key, so that two rounds queue instead of deadlocking.
 * Where a constraint is deferrable, nothing makes us wait for a row that an application has inserted and not committed,
 * so other writers are kept out altogether.
 */
export const lockRows = (plan: StagePlan): Sql[] => {
  // Counted, or the server would send a row for each row that it locks.
  const lock = (condition: Sql, strength: Sql): Sql => sql`
    select count(*)
      from (select from ${relationOf(plan.table)} t join ${plan.stage} s on ${sameRow(plan)}
             where ${condition}
             order by ${sql.join(plan.key.columns.map(({ name }) => sql`t.${sql.id(name)}`))}
               for ${strength} of t) locked`;
  const exclusive = sql`lock table ${relationOf(plan.table)} in share row exclusive mode`;
  const isUnguarded = plan.table.deferrable.length > 0;
  const strength = needsReplacement(plan) ? sql`update` : sql`no key update`;
  return [
    ...(isUnguarded ? [exclusive] : []),
    // A row that is merged may look the same and be written nevertheless.
    lock(plan.merge === null ? sql`s.present and ${rowDiffers(plan)}` : sql`s.present`, strength),
    lock(sql`not s.present`, sql`update`),
  ];
};

/** The version of a whole table, as a stage has it. */
export interface StagedVersion {
  readonly src: number;
  readonly origin: number;
  readonly oxid: string;
  readonly at: string;
  readonly path: readonly number[];
  readonly knows: Sql;
}

/** Rows of the table that the source's whole table does not have: staged as gone, in the version of the whole. */
export const stageAbsentRows = (plan: StagePlan, version: StagedVersion | null): Sql => {
  const keys = sql.join(plan.key.columns.map((_, index) => deltaColumn(index)));
  const tableKeys = sql.join(
    plan.key.columns.map(({ name, deltaType }) => sql`t.${sql.id(name)}::${sql.verbatim(deltaType)}`),
  );
  const names = version === null ? sql.empty : sql`src, origin, oxid, at, path, is_open, knows,`;
  const values =
    version === null
      ? sql.empty
      : sql`${version.src}::integer, ${version.origin}::integer, ${version.oxid}::xid8, ${version.at}::timestamptz,
            ${version.path}::integer[], false, ${version.knows},`;
  const fromThere = version === null ? sql`true` : sql`s.src = ${version.src}::integer`;
  return sql`
    insert into ${plan.stage} (${names} ${keys}, present)
    select ${values} ${tableKeys}, false
      from ${relationOf(plan.table)} t
     where not exists (select from ${plan.stage} s where ${fromThere} and ${sameRow(plan)})`;
};

/** Rows that collide on a deferrable constraint, which the server does not check in replica role (engine rule §6). */
export const deferrableCollisions = (plan: StagePlan): Sql[] =>
  plan.table.deferrable.map(({ name, partition, predicate, terms }) => {
    const holder = partition === null ? relationOf(plan.table) : sql.id(partition.schema, partition.name);
    const nameOf = (index: number): Sql => sql.id(`term${index + 1}`);
    const values = terms.map(({ expression }, index) => sql`${sql.verbatim(expression)} as ${nameOf(index)}`);
    // Expressions name columns without an alias, so nothing else may be in their FROM list.
    const rows = (condition: Sql): Sql => sql`
      (select t.tableoid as place_table, t.ctid as place, ${sql.join(values)}
         from ${holder} t
        where ${sql.verbatim(predicate ?? 'true')} and ${condition})`;
    const collides = terms.map(
      ({ operator }, index) => sql`other.${nameOf(index)} ${sql.verbatim(operator)} applied.${nameOf(index)}`,
    );
    return sql`
        select ${name}::text as constraint
          from ${rows(sql`exists (select from ${plan.stage} s where ${isApplied} and s.present and ${sameRow(plan)})`)} applied
         where exists (select from ${rows(sql`true`)} other
                        where (other.place_table, other.place) <> (applied.place_table, applied.place)
                          and ${sql.join(collides, ' and ')})
         limit 1`;
  });

/** The key of a staged row, for people. */
export const keyText = (plan: StagePlan, alias: Sql): Sql =>
  sql`pg_catalog.concat_ws(', ', ${sql.join(
    plan.key.columns.map(
      (column, index) => sql`${keyValue(column, sql`${alias}.${deltaColumn(index)}`)}::text`,
    ),
  )})`;
