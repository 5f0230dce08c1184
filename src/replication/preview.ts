/**
 * What the next round would do: a round that ends before anything is written.
 *
 * It takes the steps of `round.ts` up to the verdicts, with the same code, and then rolls back everything. The only writes are to
 * temporary tables: no position is moved, no row is locked, nothing is noted, nothing is flushed. So an application or a
 * daemon that works at the same time is not held up, and the plan is that of the moment at which it was made.
 */
import { copyVersion } from '../connectors/postgres/base-version.ts';
import { countStaged, type StagedCounts } from '../connectors/postgres/stage-view.ts';
import { PostgresWriter } from '../connectors/postgres/writer.ts';
import { isReplicationError, type ReplicationError } from '../model/errors.ts';
import {
  type DatabaseId,
  type DatabaseName,
  formatRelation,
  type Member,
  type RelationName,
  relationsOn,
  sources as sourcesOf,
  type SyncRelation,
} from '../model/topology.ts';
import { abortion } from './apply/decide.ts';
import { stageTable } from './apply/destination.ts';
import { passOn } from './fault-point.ts';
import { decidedPages, isContestable, marks, marksOfRest, strategyOf } from './apply/settle-table.ts';
import { ConflictList, type ConflictPreview } from './preview-conflicts.ts';
import { copiesDue, isFirst } from './read/copies.ts';
import type { Delivery, TableDelivery } from './read/delivery.ts';
import { finishSources } from './read/finish-sources.ts';
import { openSources, planDeliveries, positionsOf } from './read/plan-round.ts';
import type { OpenSource } from './read/source.ts';
import { type DatabaseOutcome, emptyMemory, type RoundContext } from './round.ts';
import { settleAll } from './settle.ts';

/** `memory` is left out: what a lane knows must not come from a round that was not run. */
export type PreviewContext = Omit<
  RoundContext,
  'memory' | 'onProgress' | 'reached' | 'mayWrite' | 'readingPlace'
>;

type RowCounts = Omit<StagedCounts, 'source'>;

export type TablePreview =
  /** The whole table would be copied; its rows have not been looked at. */
  | { readonly kind: 'copy'; readonly table: RelationName; readonly from: DatabaseName }
  | {
      readonly kind: 'rows';
      readonly table: RelationName;
      readonly bySource: readonly (RowCounts & { readonly from: DatabaseName })[];
      readonly strategy: string;
      readonly conflicts: ConflictPreview;
    };

export interface DatabasePreview {
  readonly database: DatabaseName;
  /** Those that have something to be done. */
  readonly tables: readonly TablePreview[];
  /** The source of a copy would take note that one was asked for. */
  readonly startsAnew: boolean;
  /** Why the round would fail on this database; null: nothing is known against it. */
  readonly problem: ReplicationError | null;
}

/**
 * One for each written database, in their order.
 * @throws what the round would fail with as a whole; `table_altered` when a table was altered under the look
 */
export const previewRound = async (surroundings: PreviewContext): Promise<DatabasePreview[]> => {
  const context = {
    ...surroundings,
    memory: emptyMemory(),
    onProgress: () => undefined,
    reached: passOn,
    mayWrite: () => false,
    readingPlace: null,
  };
  await using loans = new AsyncDisposableStack();
  const sources = await openSources(context, loans);
  const copies = await wholeCopies(context, sources);
  const written = context.written.filter(({ database }) => !copies.has(database.id));
  const { deliveries, outcomes } = await planDeliveries({ ...context, written }, sources);
  const busy = deliveries.filter(({ tables }) => tables.length > 0);
  const staged = await settleAll(busy.map((delivery) => stage(context, delivery, loans)));
  const read = staged.flatMap(({ delivery, error }) => (error === null ? [delivery] : []));
  await finishSources(context, sources, { read, flushedUpTo: () => nothingToFlush });
  const looked = await settleAll(staged.map((one) => look(context, one)));
  const previews = new Map([...deliveries.map(idle), ...failures(context, outcomes), ...copies, ...looked]);
  return context.written.flatMap(({ database }) => previews.get(database.id) ?? []);
};

/** The beginning of the log: what was read need not be safe on its source, for nothing is written elsewhere. */
const nothingToFlush = '0/0';

type Entry = readonly [DatabaseId, DatabasePreview];

/** A copy that replaces what is there is told and not planned: it would wait until its source has taken note. */
const wholeCopies = async (
  context: RoundContext,
  sources: readonly OpenSource[],
): Promise<ReadonlyMap<DatabaseId, DatabasePreview>> => {
  const { sync, written } = context;
  const first = sources.find(({ database }) => isFirst(sync, database));
  if (sync.copies.length === 0 || first === undefined) return new Map();
  const copies: Entry[] = [];
  for (const member of written) {
    const { database } = member;
    const due = copiesDue(sync, database, await positionsOf(context, member, sources));
    const tables = relationsOn(sync, database.id).filter(({ id }) => due.has(id));
    if ([...due.values()].includes('replace'))
      copies.push([database.id, wholeCopy(member, tables, first.database.name)]);
  }
  return new Map(copies);
};

const wholeCopy = (
  { database }: Member,
  tables: readonly SyncRelation[],
  from: DatabaseName,
): DatabasePreview => ({
  database: database.name,
  tables: tables.map(({ relation }) => ({ kind: 'copy', table: relation, from })),
  startsAnew: false,
  problem: null,
});

/** Of a delivery without rows. */
const idle = ({ member, startsAnew }: Delivery): Entry => [
  member.database.id,
  { database: member.database.name, tables: [], startsAnew, problem: null },
];

interface Staged {
  readonly delivery: Delivery;
  readonly writer: PostgresWriter;
  /** Not staged: the whole table would be copied. */
  readonly copied: ReadonlySet<TableDelivery>;
  readonly error: unknown;
}

/** The session is given up in any case: it would take its stages for made, and they go with the rollback. */
const stage = async (
  context: RoundContext,
  delivery: Delivery,
  loans: AsyncDisposableStack,
): Promise<Staged> => {
  const { database, role } = delivery.member;
  const loan = loans.use(await context.borrow(database.id));
  loan.discard();
  const writer = new PostgresWriter(loan.session, {
    schema: context.schema,
    hasWriters: role === 'source',
  });
  loans.defer(() => writer.abandon());
  const copied = new Set<TableDelivery>();
  try {
    await writer.begin();
    for (const table of delivery.tables) {
      if (await isCopied(writer, table)) copied.add(table);
      else
        await stageTable({
          writer,
          delivery,
          table,
          holder: null,
          report: () => undefined,
          midway: () => passOn('copying', delivery.member.database),
        });
    }
    return { delivery, writer, copied, error: null };
  } catch (error) {
    return { delivery, writer, copied, error };
  }
};

const isCopied = async (
  writer: PostgresWriter,
  { streams, onlyIfEmpty, plan }: TableDelivery,
): Promise<boolean> =>
  streams.some(({ base }) => base === copyVersion) && (!onlyIfEmpty || (await writer.isEmpty(plan)));

const look = async (context: RoundContext, { delivery, writer, copied, error }: Staged): Promise<Entry> => {
  const { member, startsAnew } = delivery;
  const { id, name } = member.database;
  const tables: TablePreview[] = [];
  let problem: ReplicationError | null = null;
  try {
    if (error !== null) throw error;
    for (const table of delivery.tables) {
      const isCopy = copied.has(table);
      const preview = isCopy
        ? copyOf(context, table)
        : await lookAtTable({ context, delivery, writer, table });
      tables.push(preview);
      if (preview.kind === 'rows') problem ??= abortionOf(context, table, preview.conflicts);
    }
  } catch (failure) {
    problem = expected(failure);
  }
  return [id, { database: name, tables, startsAnew, problem }];
};

const copyOf = ({ sync }: RoundContext, { plan }: TableDelivery): TablePreview => ({
  kind: 'copy',
  table: plan.table.relation,
  from: sourcesOf(sync)[0]?.database.name as DatabaseName,
});

interface TableLook {
  readonly context: RoundContext;
  readonly delivery: Delivery;
  readonly writer: PostgresWriter;
  readonly table: TableDelivery;
}

const lookAtTable = async (one: TableLook): Promise<TablePreview> => {
  const { context, writer, table } = one;
  const { plan } = table;
  const conflicts = new ConflictList({ context, session: writer.session, plan });
  if (isContestable(table)) {
    for await (const decisions of decidedPages(one)) {
      await conflicts.add(decisions.conflicts);
      await writer.execute(...marks(one, decisions.lost));
    }
  }
  await writer.execute(...marksOfRest(table));
  const counts = await countStaged(writer.session, plan);
  const { text: strategy } = strategyOf(context, plan.id);
  return {
    kind: 'rows',
    table: plan.table.relation,
    bySource: counts.map((count) => countsOf(table, count)),
    strategy,
    conflicts: conflicts.preview(),
  };
};

const countsOf = ({ streams }: TableDelivery, { source, ...counts }: StagedCounts) => {
  const stream = streams.find(({ scope }) => source === null || scope.holder === source);
  if (stream === undefined) throw new Error(`rows of database ${source} were staged, which sends none`);
  return { from: stream.source.database.name, ...counts };
};

const abortionOf = (
  context: RoundContext,
  { plan }: TableDelivery,
  { totalCount }: ConflictPreview,
): ReplicationError | null =>
  abortion(strategyOf(context, plan.id).strategy, {
    table: formatRelation(plan.table.relation),
    conflictCount: totalCount,
  });

const failures = ({ written }: RoundContext, outcomes: ReadonlyMap<DatabaseId, DatabaseOutcome>): Entry[] =>
  written.flatMap(({ database }): Entry[] => {
    const outcome = outcomes.get(database.id);
    if (outcome?.kind !== 'bad') return [];
    const problem = expected(outcome.error);
    return [[database.id, { database: database.name, tables: [], startsAnew: false, problem }]];
  });

const expected = (error: unknown): ReplicationError => {
  if (isReplicationError(error)) return error;
  throw error;
};
