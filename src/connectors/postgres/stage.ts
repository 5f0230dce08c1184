/**
 * The stage: a temporary table on the database that is written, filled by COPY from a source and then applied
 * by statements over sets. It lives as long as the session, so that rounds leave no trace in the catalogue, and each round
 * empties it before its commit (`stage-table.ts`).
 *
 * Columns: `k1`, `k2` … the key as deltas keep it, in the order of the index that finds the rows here; `present`, whether the source has the row; `c1`, `c2` … the row.
 * A stage with versions also has `src` (the database that sent the row), the version that the row has there
 * (`origin`, `oxid`, `at`, `path`, `is_open`) and `knows` (the databases that know that version). `fate` says what the verdict made of a
 * row; it is not sent. Of rows that are merged `state` says which values are the later ones (`merge.ts`).
 */
import { ReplicationError } from '../../model/errors.ts';
import {
  type Filter,
  formatRelation,
  type MergeSpec,
  type Operation,
  operations,
  type RelationId,
} from '../../model/topology.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { type MergePlan, planMerge } from './merge-plan.ts';
import { matchColumns, travelsAsStored } from './matching-columns.ts';
import { type Column, deltaColumn, type Table, type TableKey, uniqueOver } from './table.ts';

/** A column of a row on its way: read as `read` at the source, staged as `stageType`, written as `value`. */
export interface StageColumn {
  readonly name: string;
  readonly stageType: string;
  /** At the source, of the table under the alias `t`. */
  readonly read: Sql;
  /** On the written database, of the stage under the alias `s`, in the base type of the column. */
  readonly value: Sql;
  /** The same column of the table under the alias `t`, in the same type. */
  readonly current: Sql;
  /** Of the column on the written database, below all domains. */
  readonly baseType: string;
  readonly isKey: boolean;
}

export interface StagePlan {
  readonly id: RelationId;
  readonly table: Table;
  readonly key: TableKey;
  readonly stage: Sql;
  readonly columns: readonly StageColumn[];
  /** Rows carry their versions: somebody else may hold another one, or they are noted where they arrive. */
  readonly hasVersions: boolean;
  /** How versions that contend become one row there; null: one of them wins. */
  readonly merge: MergePlan | null;
  /** Which rows go there, in the words of the operator, over the columns of the source; null: all. */
  readonly where: string | null;
  /** What is done with them. */
  readonly operations: ReadonlySet<Operation>;
  /** Rows may go straight into an empty table: every column has the same wire form there, and nothing keeps rows out. */
  readonly fitsTableDirectly: boolean;
}

/**
 * Where a row of the stage is, until its fate is set: its `ctid`. Whoever asks for some rows in this way reads no others, however many there are.
 */
export type StagePlace = string;

/**
 * `noted`: applied, and its version is among the deltas already. `lost`: not applied. `merged`: not applied, and merged into the row that is there
 * when the others are.
 */
export const fates = { apply: 0, noted: 1, lost: 2, merged: 3 } as const;

/** The staged row `s` is written. */
export const isApplied: Sql = sql`s.fate < ${sql.literal(fates.lost)}::smallint`;

/**
 * How the rows of the sources get into `target`, column by column, by name.
 * @throws ReplicationError `schema_differs`, `relation_without_key`
 */
export const planStage = (options: {
  readonly id: RelationId;
  readonly sources: readonly [Table, ...Table[]];
  readonly target: Table;
  /** The name of the database that is written, for messages. */
  readonly database: string;
  readonly hasVersions: boolean;
  /** Null: everything goes there. */
  readonly filter: Filter | null;
  readonly merge: MergeSpec | null;
}): StagePlan => {
  const { id, sources, target, hasVersions, filter, merge } = options;
  const allowed: ReadonlySet<Operation> = new Set(filter?.operations ?? operations);
  const key = keyFor(options, requireKey(sources[0]));
  const keyNames = new Set(key.columns.map(({ name }) => name));
  const columns = matchColumns(options);
  return {
    id,
    table: target,
    key,
    stage: sql.id('pg_temp', `stage_${id}`),
    columns: columns.map(({ column, counterpart }, index) =>
      stageColumn({ index, source: column, target: counterpart, isKey: keyNames.has(column.name) }),
    ),
    hasVersions,
    merge: merge === null ? null : planMerge(target, merge),
    where: filter?.where ?? null,
    operations: allowed,
    fitsTableDirectly: allowed.has('insert') && !target.firesInReplicaRole && columns.every(travelsAsStored),
  };
};

const requireKey = (table: Table): TableKey => {
  if (table.key !== null) return table.key;
  throw new ReplicationError('relation_without_key', {
    message: `Table ${formatRelation(table.relation)} cannot be replicated by deltas: ${table.keyProblem}.`,
  });
};

interface Place {
  readonly target: Table;
  readonly database: string;
}

/**
 * What finds the source's rows in the target: a unique index over the columns of the source's key. It may list them in
 * another order, and need not be the target's own key.
 */
const keyFor = ({ target, database }: Place, key: TableKey): TableKey => {
  const names = key.columns.map(({ name }) => name);
  const index = uniqueOver(target, names);
  if (index !== undefined) return index;
  throw new ReplicationError('schema_differs', {
    message: `Table ${formatRelation(target.relation)} has no unique index over (${names.join(', ')}), the key of the source, on ${database}.`,
    facts: { database, table: formatRelation(target.relation) },
  });
};

const stageColumn = (options: {
  readonly index: number;
  readonly source: Column;
  readonly target: Column;
  readonly isKey: boolean;
}): StageColumn => {
  const { index, source, target, isKey } = options;
  const stageType = stageTypeOf(source, target);
  const staged = sql`s.${sql.id(`c${index + 1}`)}`;
  const read = sql`t.${sql.id(source.name)}`;
  const current = sql`t.${sql.id(target.name)}`;
  return {
    name: source.name,
    stageType,
    read: source.transport === 'text' ? sql`${read}::pg_catalog.text` : read,
    value: rounded(target, castTo(target.baseType, staged, stageType)),
    current: target.type === target.baseType ? current : sql`${current}::${sql.verbatim(target.baseType)}`,
    baseType: target.baseType,
    isKey,
  };
};

/**
 * A number gets the scale that the column will give it, or 1.5 would never equal the 1.5000 that is stored. No other
 * type changes a value that fits, and a cast to `character varying(n)` would cut one that does not.
 */
const rounded = ({ baseType, storedType }: Column, value: Sql): Sql =>
  storedType !== baseType && (baseType === 'numeric' || baseType === 'numeric[]')
    ? sql`(${value})::${sql.verbatim(storedType)}`
    : value;

/** The cast from text to regclass is a function that knows neither '-' nor the number of a table that is gone. */
const castTo = (type: string, staged: Sql, stageType: string): Sql => {
  if (stageType === type) return staged;
  if (type === 'regclass' && stageType === 'text')
    return sql`pg_catalog.regclassin(pg_catalog.textout(${staged}))`;
  return sql`${staged}::${sql.verbatim(type)}`;
};

/** Built-in types have one binary form everywhere, so the source's type is staged; other types go by name. */
const stageTypeOf = (source: Column, target: Column): string => {
  if (source.transport === 'text') return 'text';
  return isBuiltIn(source.baseType) ? source.baseType : target.baseType;
};

/** With `search_path = pg_catalog` every other schema is written out. */
const isBuiltIn = (type: string): boolean => !type.includes('.');

const versionColumns: readonly (readonly [string, string])[] = [
  ['src', 'integer'],
  ['origin', 'integer'],
  ['oxid', 'xid8'],
  ['at', 'timestamptz'],
  ['path', 'integer[]'],
  ['is_open', 'boolean'],
  ['knows', 'integer[]'],
];

/** The columns that the source fills, in the order in which it sends them. */
export const stagedColumnNames = (plan: StagePlan): Sql =>
  sql.join([
    ...(plan.hasVersions ? versionColumns.map(([name]) => sql.id(name)) : []),
    ...plan.key.columns.map((_, index) => deltaColumn(index)),
    sql.id('present'),
    ...(plan.merge === null ? [] : [sql.id('state')]),
    ...plan.columns.map((_, index) => sql.id(`c${index + 1}`)),
  ]);

/** Creates the stage for this session. */
export const createStage = (plan: StagePlan): Sql => {
  const columns = [
    ...(plan.hasVersions ? versionColumns : []),
    ['fate', `smallint not null default ${fates.apply}`] as const,
    ...plan.key.columns.map((column, index) => [`k${index + 1}`, column.deltaType] as const),
    ['present', 'boolean'] as const,
    ...(plan.merge === null ? [] : [['state', 'jsonb'] as const]),
    ...plan.columns.map((column, index) => [`c${index + 1}`, column.stageType] as const),
  ];
  const definitions = columns.map(([name, type]) => sql`${sql.id(name)} ${sql.verbatim(type)}`);
  return sql`create temporary table ${sql.id(`stage_${plan.id}`)} (${sql.join(definitions)})`;
};
