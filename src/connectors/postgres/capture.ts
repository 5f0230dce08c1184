/**
 * Installs and removes the capture of tables, and finds where it is not as it should be.
 *
 * Idempotent: a table whose triggers are there as they should be is left alone. Each table is a transaction of its
 * own. CREATE TRIGGER waits for transactions that write to the table and makes later writers wait behind it, so it gives
 * way after a moment and tries again.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { ReplicationError } from '../../model/errors.ts';
import { formatRelation, type MergeSpec, type RelationId } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { readLeafPartitions } from './catalogue.ts';
import {
  type CaptureFires,
  type CaptureLevel,
  type CapturePart,
  type CapturePlan,
  type CaptureProgram,
  createCapture,
  dropCapture,
  dropMergeCapture,
} from './capture-program.ts';
import { type CapturedTable, readCaptured } from './captured.ts';
import { ensureShape } from './delta.ts';
import { whenNotBusy } from './give-way.ts';
import { planMerge } from './merge-plan.ts';
import { dropStateTable } from './merge-state.ts';
import type { Table } from './table.ts';

interface CaptureRequest {
  readonly id: RelationId;
  readonly table: Table;
  /** Null or missing: of a conflict one side wins. */
  readonly merge?: MergeSpec | null;
}

export interface InstalledCapture {
  readonly id: RelationId;
  /** `refreshed`: the triggers were made anew; `remerged`: only what notes by what rows are merged. `rekeyed`: so that earlier deltas of the table cannot be read any more. */
  readonly outcome: 'installed' | 'refreshed' | 'remerged' | 'rekeyed' | 'unchanged';
  readonly level: CaptureLevel;
  readonly fires: CaptureFires;
}

interface InstallOptions {
  readonly schema: string;
  readonly tables: readonly CaptureRequest[];
  readonly signal: AbortSignal;
}

/**
 * Captures these tables from now on. The schema must be there (`installSchema`).
 * @throws ReplicationError `relation_without_key`, `privilege_missing`, `given_way` when a table was busy for a minute
 */
export const installCapture = async (
  session: Session,
  { schema, tables, signal }: InstallOptions,
): Promise<InstalledCapture[]> => {
  const lock = sql`hashtextextended(${`${schema}.captured`}, 0)`;
  // A command and the daemon may find the same table in need of it.
  await session.query(sql`select pg_advisory_lock(${lock})`);
  try {
    const installed: InstalledCapture[] = [];
    for (const state of await readStates(session, { schema, tables }))
      installed.push(await installOne(session, state, signal));
    return installed;
  } finally {
    if (session.isUsable) await session.query(sql`select pg_advisory_unlock(${lock})`);
  }
};

/**
 * Of tables that are captured under their key those whose triggers are not there as they should be: dropped, disabled, of a table
 * that was made anew, or blind to what it has become (a partition was added, a subscription or another table feeds it).
 */
export const findDisturbed = async (
  session: Session,
  options: Pick<InstallOptions, 'schema' | 'tables'>,
): Promise<RelationId[]> => {
  const states = await readStates(session, options);
  return states.filter(isDisturbed).map(({ draft }) => draft.id);
};

const isDisturbed = (state: CaptureState): boolean => {
  const { draft, before } = state;
  if (before === undefined || !isDeepStrictEqual(before.keyColumns, keyColumnsOf(draft))) return false;
  return outcomeOf({ ...draft, shape: before.shape }, state) !== 'unchanged';
};

/** What the triggers of a table should be, and what is there. */
interface CaptureState {
  readonly draft: Draft;
  readonly before: CapturedTable | undefined;
  readonly triggerCounts: TriggerCounts;
}

/** Of those that are enabled as they were made. */
interface TriggerCounts {
  readonly noting: number;
  readonly merging: number;
}

const readStates = async (
  session: Session,
  { schema, tables }: Pick<InstallOptions, 'schema' | 'tables'>,
): Promise<CaptureState[]> => {
  const captured = await readCaptured(session, schema);
  const [user] = await session.query(sql`select session_user as role`);
  const oids = tables.map(({ table }) => table.oid);
  const partitions = await readLeafPartitions(session, oids);
  const triggerCounts = await countTriggers(session, schema);
  return tables.map(({ id, table, merge = null }) => ({
    draft: {
      ...draftOf({ id, table, merge, schema }),
      role: user?.['role'] as string,
      partitions: partitions.get(table.oid) ?? [],
    },
    before: captured.get(id),
    triggerCounts: triggerCounts.get(id) ?? { noting: 0, merging: 0 },
  }));
};

/** The triggers of each captured table that are enabled as they were made; copies on partitions fire as the original says. */
const countTriggers = async (session: Session, schema: string): Promise<Map<RelationId, TriggerCounts>> => {
  const rows = await session.query(sql`
    with noting as materialized (
      select split_part(p.proname, '_', 2) as tbl, split_part(p.proname, '_', 3) = 'merged' as merges, t.tgenabled
        from pg_trigger t
        join pg_proc p on p.oid = t.tgfoid
       where t.tgparentid = 0 and p.proname like 'note\\_%'
         and p.pronamespace = (select oid from pg_namespace where nspname = ${schema}::name))
    select c.tbl, count(*) filter (where not n.merges) as noting, count(*) filter (where n.merges) as merging
      from ${sql.id(schema, 'captured')} c
      join noting n on n.tbl = c.tbl::text
     where n.tgenabled = case c.fires when 'always' then 'A' else 'O' end
     group by c.tbl`);
  return new Map(
    rows.map((row) => [
      Number(row['tbl']) as RelationId,
      { noting: Number(row['noting']), merging: Number(row['merging']) },
    ]),
  );
};

type Draft = Omit<CapturePlan, 'shape'>;

const draftOf = ({
  id,
  table,
  schema,
  merge,
}: CaptureRequest & { schema: string }): Omit<Draft, 'role' | 'partitions'> => {
  if (table.key === null)
    throw new ReplicationError('relation_without_key', {
      message: `${formatRelation(table.relation)} cannot be captured: ${table.keyProblem}`,
    });
  const level = table.kind === 'plain' && !table.isSubscribed ? 'statement' : 'row';
  return {
    schema,
    id,
    table,
    key: table.key,
    level,
    fires: table.isOwner ? 'always' : 'origin',
    merge: merge == null ? null : planMerge(table, merge),
  };
};

const installOne = async (
  session: Session,
  state: CaptureState,
  signal: AbortSignal,
): Promise<InstalledCapture> => {
  const { draft } = state;
  const { id, level, fires, schema } = draft;
  let outcome: InstalledCapture['outcome'] = 'unchanged';
  await whenNotBusy([session], signal, async () => {
    const types = draft.key.columns.map(({ deltaType }) => deltaType);
    const plan: CapturePlan = { ...draft, shape: await ensureShape(session, schema, types) };
    outcome = outcomeOf(plan, state);
    if (outcome === 'unchanged') return;
    const { noting, merging } = createCapture(plan);
    const former = outcome === 'rekeyed' ? [dropStateTable(schema, id)] : [];
    await session.script(
      ...(outcome === 'remerged' ? [dropMergeCapture(schema, id)] : [...dropCapture(schema, id), ...former]),
      ...(outcome === 'remerged' ? [] : noting.statements),
      ...merging.statements,
      register(plan, definitionOf({ noting, merging }), outcome),
    );
  });
  return { id, outcome, level, fires };
};

const outcomeOf = (
  plan: CapturePlan,
  { before, triggerCounts }: CaptureState,
): InstalledCapture['outcome'] => {
  if (before === undefined) return 'installed';
  const sameKey = before.shape === plan.shape && isDeepStrictEqual(before.keyColumns, keyColumnsOf(plan));
  if (before.oid !== plan.table.oid || !sameKey) return 'rekeyed';
  const wanted = createCapture(plan);
  const [noting, merging] = before.definition.split(' ');
  if (noting !== digest(wanted.noting) || triggerCounts.noting !== wanted.noting.triggerCount)
    return 'refreshed';
  const isMerging =
    merging === digest(wanted.merging) && triggerCounts.merging === wanted.merging.triggerCount;
  return isMerging ? 'unchanged' : 'remerged';
};

const keyColumnsOf = ({ key }: Pick<CapturePlan, 'key'>): string[] => key.columns.map(({ name }) => name);

/** As `captured` keeps it: a digest of each part. */
const definitionOf = ({ noting, merging }: CaptureProgram): string => `${digest(noting)} ${digest(merging)}`;

const digest = ({ statements }: CapturePart): string =>
  createHash('md5')
    .update(statements.map((statement) => statement.inlined()).join(';'))
    .digest('hex');

const register = (plan: CapturePlan, definition: string, outcome: InstalledCapture['outcome']): Sql => sql`
  insert into ${sql.id(plan.schema, 'captured')}
         (tbl, relation, schema_name, relation_name, shape, key_columns, level, fires, definition)
  values (${plan.id}::int, ${plan.table.oid}::oid, ${plan.table.relation.schema}::text, ${plan.table.relation.name}::text,
          ${plan.shape}::int, ${keyColumnsOf(plan)}::text[], ${plan.level}::text, ${plan.fires}::text,
          ${definition}::text)
  on conflict (tbl) do update
     set (relation, schema_name, relation_name, shape, key_columns, level, fires, definition)
       = (excluded.relation, excluded.schema_name, excluded.relation_name, excluded.shape, excluded.key_columns,
          excluded.level, excluded.fires, excluded.definition)
         ${outcome === 'rekeyed' ? sql`, since = pg_current_xact_id()` : sql.empty}`;

/** Stops capturing these tables. Their deltas stay until the segments are truncated. */
export const removeCapture = async (
  session: Session,
  {
    schema,
    tables,
    signal,
  }: { readonly schema: string; readonly tables: readonly RelationId[]; readonly signal: AbortSignal },
): Promise<void> => {
  for (const id of tables) {
    await whenNotBusy([session], signal, async () => {
      await session.script(
        ...dropCapture(schema, id),
        dropStateTable(schema, id),
        sql`delete from ${sql.id(schema, 'captured')} where tbl = ${id}::int`,
      );
    });
  }
};

/** Removes everything: the triggers table by table, then the schema. */
export const uninstall = async (session: Session, schema: string, signal: AbortSignal): Promise<void> => {
  const captured = await readCaptured(session, schema);
  await removeCapture(session, { schema, tables: [...captured.keys()], signal });
  await whenNotBusy([session], signal, async () => {
    await session.script(sql`drop schema ${sql.id(schema)} cascade`);
  });
};

/** What an operator runs where that could not be done: functions take their triggers along. */
export const uninstallByHand = (schema: string): Sql => sql`drop schema if exists ${sql.id(schema)} cascade`;
