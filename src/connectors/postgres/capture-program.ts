/**
 * The functions and triggers that capture one table, as SQL. Pure; `capture.ts` brings it to the database.
 *
 * Plain tables have statement triggers with transition tables, so that bulk statements cost little. They reference
 * new rows only, because the old ones would double what the server spills to disk (engine rule §18); a change of the
 * key is caught by a row trigger that fires only then. Where statement triggers are blind (§10: partitions,
 * inheritance, native subscribers) row triggers do the work.
 *
 * The functions are SECURITY DEFINER without a SET clause, which would cost more than the rest; everything in them
 * is schema-qualified instead. (Only what rows are merged by is noted with one.) All of them pass over sessions of our own that say so by the setting `<schema>.apply`.
 */
import type { RelationId } from '../../model/topology.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { deltaColumns, nextSeq, segmentNumbers, segmentTable, truncationShape } from './delta.ts';
import type { MergePlan } from './merge-plan.ts';
import { createStateTable, dropStateTable, mergeTriggerBody } from './merge-state.ts';
import { program } from './program.ts';
import { keyOf, type Table, type TableKey } from './table.ts';

export type CaptureLevel = 'statement' | 'row';
/** `always`: also for sessions in replica role; only the owner of a table may ask for that. */
export type CaptureFires = 'always' | 'origin';

export interface CapturePlan {
  readonly schema: string;
  /** `session_user` of our own sessions. */
  readonly role: string;
  readonly id: RelationId;
  readonly table: Table;
  readonly key: TableKey;
  readonly shape: number;
  readonly level: CaptureLevel;
  readonly fires: CaptureFires;
  /** Null: nothing is noted beside the rows. */
  readonly merge: MergePlan | null;
  /** Of a partitioned table: quoted, with their schemas, those that hold rows. */
  readonly partitions: readonly string[];
}

/** What a function notes: the rows of the statement, the new or old row, the truncation, the rows about to be truncated, what rows are merged by. */
const functionKinds = ['touched', 'new', 'old', 'truncated', 'truncating', 'emptied', 'merged'] as const;
type FunctionKind = (typeof functionKinds)[number];

const functionName = (plan: { schema: string; id: RelationId }, kind: FunctionKind): Sql =>
  sql.id(plan.schema, `note_${plan.id}_${kind}`);

/**
 * Removes the triggers with their functions. Unlike `drop trigger` this does not take the ownership of the table, and it
 * works for a table that was renamed or dropped.
 */
export const dropCapture = (schema: string, id: RelationId): Sql[] =>
  functionKinds.map((kind) => dropFunction({ schema, id }, kind));

/** Only what notes what rows are merged by. */
export const dropMergeCapture = (schema: string, id: RelationId): Sql =>
  dropFunction({ schema, id }, 'merged');

const dropFunction = (plan: { schema: string; id: RelationId }, kind: FunctionKind): Sql =>
  sql`drop function if exists ${functionName(plan, kind)} cascade`;

export interface CaptureProgram {
  /** What notes changes. */
  readonly noting: CapturePart;
  /** What notes what rows are merged by. It comes and goes without the other being touched. */
  readonly merging: CapturePart;
}

export interface CapturePart {
  readonly statements: readonly Sql[];
  /** How many triggers they make, copies on partitions not counted. */
  readonly triggerCount: number;
}

export const createCapture = (plan: CapturePlan): CaptureProgram => {
  const changes = plan.level === 'statement' ? statementTriggers(plan) : rowTriggers(plan);
  const { schema, id, key, merge } = plan;
  const noting = partOf(plan, [...changes, keyTrigger(plan), ...truncateTriggers(plan)]);
  const merging = partOf(plan, merge === null ? [] : [mergeTrigger(plan)]);
  const state = merge === null ? dropStateTable(schema, id) : createStateTable(schema, id, key);
  return { noting, merging: { ...merging, statements: [state, ...merging.statements] } };
};

const partOf = (plan: CapturePlan, triggers: readonly Trigger[]): CapturePart => {
  const called = functionKinds.filter((kind) => triggers.some((trigger) => trigger.calls === kind));
  return {
    statements: [
      ...called.flatMap((kind) => createFunction(plan, kind)),
      ...triggers.flatMap((trigger) => createTrigger(plan, trigger)),
    ],
    triggerCount: triggers.length,
  };
};

interface Trigger {
  /** The end of its name. */
  readonly name: string;
  readonly on: Sql;
  /** From the event to the row or statement level. */
  readonly event: Sql;
  /** WHEN, or nothing. The server parses it again for every statement, so it is kept short. */
  readonly condition: Sql;
  readonly calls: FunctionKind;
}

const tableOf = ({ table }: CapturePlan): Sql => sql.id(table.relation.schema, table.relation.name);

const statementTriggers = (plan: CapturePlan): Trigger[] => {
  const on = tableOf(plan);
  const touched = (name: string, event: Sql): Trigger => ({
    name,
    on,
    event,
    condition: sql.empty,
    calls: 'touched',
  });
  return [
    touched('insert', sql`after insert on ${on} referencing new table as touched for each statement`),
    touched('update', sql`after update on ${on} referencing new table as touched for each statement`),
    touched('delete', sql`after delete on ${on} referencing old table as touched for each statement`),
  ];
};

const rowTriggers = (plan: CapturePlan): Trigger[] => {
  const on = tableOf(plan);
  const each = (name: string, event: Sql, calls: FunctionKind): Trigger => ({
    name,
    on,
    event: sql`after ${event} on ${on} for each row`,
    condition: sql.empty,
    calls,
  });
  return [
    each('insert', sql`insert`, 'new'),
    each('update', sql`update`, 'new'),
    each('delete', sql`delete`, 'old'),
  ];
};

/** Fires only where an UPDATE changed the key: notes the old one. Key columns are NOT NULL. */
const keyTrigger = (plan: CapturePlan): Trigger => {
  const on = tableOf(plan);
  const unchanged = plan.key.columns.map(
    (column) => sql`${keyOf(column, sql`old`)} ${sql.verbatim(column.equals)} ${keyOf(column, sql`new`)}`,
  );
  return {
    name: 'key',
    on,
    event: sql`after update on ${on} for each row`,
    condition: sql`when (not (${sql.join(unchanged, ' and ')}))`,
    calls: 'old',
  };
};

const mergeTrigger = (plan: CapturePlan): Trigger => {
  const on = tableOf(plan);
  const event = sql`after insert or update or delete on ${on} for each row`;
  return { name: 'merged', on, event, condition: sql.empty, calls: 'merged' };
};

/**
 * TRUNCATE of a partition is no truncation of the table: the keys in it are noted one by one before they go. When the
 * whole table is truncated, its own trigger fires first and tells those of the partitions to keep silent.
 */
const truncateTriggers = (plan: CapturePlan): Trigger[] => {
  const trigger = (name: string, on: Sql, time: 'before' | 'after', calls: FunctionKind): Trigger => ({
    name,
    on,
    event: sql`${sql.verbatim(time)} truncate on ${on} for each statement`,
    condition: sql.empty,
    calls,
  });
  const whole = trigger('truncate', tableOf(plan), 'after', 'truncated');
  if (plan.table.kind !== 'partitioned') return [whole];
  return [
    whole,
    trigger('truncating', tableOf(plan), 'before', 'truncating'),
    ...plan.partitions.map((partition) => ({
      ...trigger('emptied', sql.verbatim(partition), 'before', 'emptied'),
      condition: sql`when (pg_catalog.current_setting(${sql.literal(truncatingSetting(plan))}, true) is distinct from 'yes')`,
    })),
  ];
};

const truncatingSetting = ({ schema, id }: CapturePlan): string => `${schema}.truncating_${id}`;

const createTrigger = (plan: CapturePlan, trigger: Trigger): Sql[] => {
  const name = sql.id(`${plan.schema}_note_${trigger.name}`);
  const create = sql`create trigger ${name} ${trigger.event} ${trigger.condition}
    execute function ${functionName(plan, trigger.calls)}()`;
  if (plan.fires === 'origin') return [create];
  return [create, sql`alter table ${trigger.on} enable always trigger ${name}`];
};

const createFunction = (plan: CapturePlan, kind: FunctionKind): Sql[] => {
  const name = functionName(plan, kind);
  const body = sql.literal(bodyOf(plan, kind).inlined());
  const path = kind === 'merged' ? sql`set search_path = pg_catalog` : sql.empty;
  return [
    sql`create function ${name}() returns trigger language plpgsql security definer ${path} as ${body}`,
    sql`revoke execute on function ${name}() from public`,
  ];
};

const bodyOf = (plan: CapturePlan, kind: FunctionKind): Sql => {
  const setting = (value: string): Sql =>
    sql`perform pg_catalog.set_config(${sql.literal(truncatingSetting(plan))}, ${sql.literal(value)}, true)`;
  if (kind === 'merged' && plan.merge !== null) return mergeTriggerBody({ ...plan, merge: plan.merge });
  if (kind === 'truncating') return sql`begin ${setting('yes')}; return null; end`;
  const [write0, write1, write2, write3] = segmentNumbers.map((segment) => writeInto(plan, kind, segment));
  return program('note.sql', {
    schema: sql.id(plan.schema),
    control: sql`${sql.literal(`${plan.schema}.control`)}::pg_catalog.regclass`,
    channel: sql.literal(plan.schema),
    tbl: sql.literal(String(plan.id)),
    role: sql.literal(plan.role),
    setting: sql.literal(`${plan.schema}.apply`),
    next_seq: nextSeq(plan.schema),
    before: kind === 'truncated' && plan.table.kind === 'partitioned' ? sql`${setting('no')};` : sql.empty,
    write_0: write0 ?? sql.empty,
    write_1: write1 ?? sql.empty,
    write_2: write2 ?? sql.empty,
    write_3: write3 ?? sql.empty,
  });
};

/**
 * The statement that notes into this segment. The keys are assigned, not cast: no name of a type is looked up. All rows of a statement have
 * one place among the deltas; the variable comes with the name of its block, for a column may be called like it.
 */
const writeInto = (plan: CapturePlan, kind: FunctionKind, segment: (typeof segmentNumbers)[number]): Sql => {
  const id = sql.literal(plan.id);
  const seq = sql`noting.place`;
  if (kind === 'truncated' || kind === 'truncating')
    return sql`insert into ${segmentTable(plan.schema, truncationShape, segment)} (tbl, seq) values (${id}, ${seq})`;
  const into = sql`insert into ${segmentTable(plan.schema, plan.shape, segment)}
    (tbl, ${sql.join(deltaColumns(plan.key.columns.length))}, seq)`;
  const keysOf = (row: string): Sql =>
    sql.join(plan.key.columns.map(({ name }) => sql`${sql.verbatim(row)}.${sql.id(name)}`));
  if (kind === 'touched') return sql`${into} select ${id}, ${keysOf('touched')}, ${seq} from touched`;
  if (kind !== 'emptied') return sql`${into} values (${id}, ${keysOf(kind)}, ${seq})`;
  const fromPartition = sql`${into} select ${id}, ${keysOf('p')}, (select ${nextSeq(plan.schema)}) from only `;
  return sql`execute pg_catalog.concat(${sql.literal(fromPartition.inlined())},
    pg_catalog.quote_ident(tg_table_schema), '.', pg_catalog.quote_ident(tg_table_name), ' p')`;
};
