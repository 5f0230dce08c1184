/**
 * Installs and removes the capture of tables, and reads what is captured.
 *
 * Idempotent: a table whose triggers are there as they should be is left alone. Each table is a transaction of its
 * own. CREATE TRIGGER waits for transactions that write to the table and makes later writers wait behind it, so it gives
 * way after a moment and tries again.
 */
import { createHash } from 'node:crypto';
import { ReplicationError } from '../../model/errors.ts';
import { formatRelation, type RelationId, type RelationName } from '../../model/topology.ts';
import type { Row, Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { readLeafPartitions } from './catalogue.ts';
import {
  type CaptureFires,
  type CaptureLevel,
  type CapturePlan,
  createCapture,
  dropCapture,
} from './capture-program.ts';
import { ensureShape } from './delta.ts';
import { whenNotBusy } from './give-way.ts';
import type { Table } from './table.ts';

interface CaptureRequest {
  readonly id: RelationId;
  readonly table: Table;
}

export interface InstalledCapture {
  readonly id: RelationId;
  /** `refreshed`: the triggers were made anew. `rekeyed`: so that earlier deltas of the table cannot be read any more. */
  readonly outcome: 'installed' | 'refreshed' | 'rekeyed' | 'unchanged';
  readonly level: CaptureLevel;
  readonly fires: CaptureFires;
}

export interface CapturedTable {
  readonly relation: RelationName;
  readonly oid: string;
  readonly shape: number;
  readonly keyColumns: readonly string[];
  readonly level: CaptureLevel;
  readonly fires: CaptureFires;
  readonly definition: string;
  /** A position that does not see this transaction was taken before capture began. */
  readonly since: string;
}

/** What is captured on this database, by relation. */
export const readCaptured = async (
  session: Session,
  schema: string,
): Promise<Map<RelationId, CapturedTable>> => {
  const rows = await session.query(sql`
    select tbl, relation, schema_name, relation_name, shape, array_to_json(key_columns) as key_columns, level, fires,
           definition, since
      from ${sql.id(schema, 'captured')}`);
  return new Map(
    rows.map((row) => [
      Number(row['tbl']) as RelationId,
      {
        relation: { schema: row['schema_name'] as string, name: row['relation_name'] as string },
        oid: row['relation'] as string,
        shape: Number(row['shape']),
        keyColumns: JSON.parse(row['key_columns'] as string) as string[],
        level: row['level'] as CaptureLevel,
        fires: row['fires'] as CaptureFires,
        definition: row['definition'] as string,
        since: row['since'] as string,
      },
    ]),
  );
};

/** The shapes of the deltas of what is captured. */
export const selectShapes = (schema: string): Sql =>
  sql`select tbl, shape from ${sql.id(schema, 'captured')}`;

export const decodeShapes = (rows: readonly Row[]): ReadonlyMap<RelationId, number> =>
  new Map(rows.map((row) => [Number(row['tbl']) as RelationId, Number(row['shape'])]));

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
  options: InstallOptions,
): Promise<InstalledCapture[]> => {
  const { schema, tables, signal } = options;
  const captured = await readCaptured(session, schema);
  const [user] = await session.query(sql`select session_user as role`);
  const oids = tables.map(({ table }) => table.oid);
  const partitions = await readLeafPartitions(session, oids);
  const triggerCounts = await countTriggers(session, schema);
  const installed: InstalledCapture[] = [];
  for (const { id, table } of tables) {
    const draft = {
      ...draftOf({ id, table, schema }),
      role: user?.['role'] as string,
      partitions: partitions.get(table.oid) ?? [],
    };
    const state = { before: captured.get(id), triggerCount: triggerCounts.get(id) ?? 0 };
    installed.push(await installOne(session, { draft, ...state, signal }));
  }
  return installed;
};

/** The triggers of each captured table that are enabled as they were made; copies on partitions fire as the original says. */
const countTriggers = async (session: Session, schema: string): Promise<Map<RelationId, number>> => {
  const rows = await session.query(sql`
    select c.tbl, count(*)
      from ${sql.id(schema, 'captured')} c
      join pg_namespace n on n.nspname = ${schema}::name
      join pg_proc p on p.pronamespace = n.oid and p.proname like 'note\\_%' and split_part(p.proname, '_', 2) = c.tbl::text
      join pg_trigger t on t.tgfoid = p.oid and t.tgparentid = 0
     where t.tgenabled = case c.fires when 'always' then 'A' else 'O' end
     group by c.tbl`);
  return new Map(rows.map((row) => [Number(row['tbl']) as RelationId, Number(row['count'])]));
};

type Draft = Omit<CapturePlan, 'shape'>;

const draftOf = ({
  id,
  table,
  schema,
}: CaptureRequest & { schema: string }): Omit<Draft, 'role' | 'partitions'> => {
  if (table.key === null)
    throw new ReplicationError('relation_without_key', {
      message: `${formatRelation(table.relation)} cannot be captured: ${table.keyProblem}`,
    });
  const level = table.kind === 'plain' && !table.isSubscribed ? 'statement' : 'row';
  return { schema, id, table, key: table.key, level, fires: table.isOwner ? 'always' : 'origin' };
};

interface Installation {
  readonly draft: Draft;
  readonly before: CapturedTable | undefined;
  readonly triggerCount: number;
  readonly signal: AbortSignal;
}

const installOne = async (session: Session, installation: Installation): Promise<InstalledCapture> => {
  const { draft, before, signal } = installation;
  const { id, level, fires } = draft;
  let outcome: InstalledCapture['outcome'] = 'unchanged';
  await whenNotBusy([session], signal, async () => {
    const shape = await ensureShape(
      session,
      draft.schema,
      draft.key.columns.map(({ deltaType }) => deltaType),
    );
    const plan: CapturePlan = { ...draft, shape };
    const { statements, triggerCount } = createCapture(plan);
    const definition = digest(statements);
    const isIntact = before?.definition === definition && installation.triggerCount === triggerCount;
    outcome = outcomeOf(plan, before, isIntact);
    if (outcome === 'unchanged') return;
    await session.script(
      ...dropCapture(draft.schema, id),
      ...statements,
      register(plan, definition, outcome),
    );
  });
  return { id, outcome, level, fires };
};

const outcomeOf = (
  plan: CapturePlan,
  before: CapturedTable | undefined,
  isAsItShouldBe: boolean,
): InstalledCapture['outcome'] => {
  if (before === undefined) return 'installed';
  const sameKey =
    before.shape === plan.shape && before.keyColumns.join('\0') === keyColumnsOf(plan).join('\0');
  if (before.oid !== plan.table.oid || !sameKey) return 'rekeyed';
  return isAsItShouldBe ? 'unchanged' : 'refreshed';
};

const keyColumnsOf = ({ key }: CapturePlan): string[] => key.columns.map(({ name }) => name);

const digest = (statements: readonly Sql[]): string =>
  createHash('md5')
    .update(statements.map((statement) => statement.inlined()).join(';'))
    .digest('hex');

const register = (plan: CapturePlan, definition: string, outcome: InstalledCapture['outcome']): Sql => sql`
  insert into ${sql.id(plan.schema, 'captured')}
         (tbl, relation, schema_name, relation_name, shape, key_columns, level, fires, definition)
  values (${plan.id}::int, ${plan.table.oid}::oid, ${plan.table.relation.schema}::text, ${plan.table.relation.name}::text,
          ${plan.shape}::int, ${keyColumnsOf(plan)}::text[], ${plan.level}::text, ${plan.fires}::text, ${definition}::text)
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
