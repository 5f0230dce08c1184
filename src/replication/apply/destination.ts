/** A written database in a round: filled stage by stage while the sources are open, then applied in one go. */
import type { Readable } from 'node:stream';
import { type AppliedRows, applyStage } from '../../connectors/postgres/apply-stage.ts';
import { recordConflicts, markLost, relayVersions } from '../../connectors/postgres/contest.ts';
import { fillStage, fillTable } from '../../connectors/postgres/load.ts';
import { copyVersion, knowersOfBase } from '../../connectors/postgres/reader.ts';
import type { SequenceValue } from '../../connectors/postgres/sequences.ts';
import { PostgresWriter } from '../../connectors/postgres/writer.ts';
import type { Sql } from '../../pg/sql.ts';
import { formatRelation, sources as sourcesOf } from '../../model/topology.ts';
import type { Lease } from '../../pg/pool.ts';
import { parseStrategy, type Strategy } from '../plan/strategy.ts';
import type { Delivery, RowStream, TableDelivery } from '../read/delivery.ts';
import type { RoundContext } from '../round.ts';
import { decide } from './decide.ts';

export interface Destination {
  readonly writer: PostgresWriter;
  readonly lease: Lease;
  /** The tables that were staged; those that were empty have been filled and need no more. */
  readonly staged: readonly TableDelivery[];
  /** How many rows empty tables were filled with. */
  readonly filledRowCount: number;
}

export type AppliedCounts = AppliedRows & { readonly conflicts: number };

interface LoadOptions {
  readonly context: RoundContext;
  readonly delivery: Delivery;
  readonly lease: Lease;
}

/** Opens the transaction and brings the rows over. */
export const loadRound = async ({ context, delivery, lease }: LoadOptions): Promise<Destination> => {
  const writer = new PostgresWriter(lease.session, {
    schema: context.schema,
    hasWriters: delivery.member.role === 'source',
  });
  try {
    await writer.begin();
    const staged: TableDelivery[] = [];
    let filledRowCount = 0;
    let bytes = 0;
    for (const [index, table] of delivery.tables.entries()) {
      const report = (more: number): void => {
        bytes += more;
        context.onProgress({
          database: delivery.member.database.id,
          isCopy: delivery.isCopy,
          tablesDone: index,
          tablesTotal: delivery.tables.length,
          bytes,
        });
      };
      const rowCount = await fillEmptyTable({ writer, delivery, table, report });
      filledRowCount += rowCount ?? 0;
      if (rowCount !== null) continue;
      await stageTable({ writer, delivery, table, report });
      staged.push(table);
    }
    return { writer, lease, staged, filledRowCount };
  } catch (error) {
    lease.discard();
    throw error;
  }
};

interface TableLoad {
  readonly writer: PostgresWriter;
  readonly delivery: Delivery;
  readonly table: TableDelivery;
  readonly report: (bytes: number) => void;
}

/** The short way of a copy: straight into the table. Null where that way is not open, and nothing was done. */
const fillEmptyTable = async ({ writer, delivery, table, report }: TableLoad): Promise<number | null> => {
  const { plan, streams } = table;
  const [only, ...others] = streams;
  const isOpen = delivery.member.role === 'target' && others.length === 0 && plan.fitsTableDirectly;
  if (only?.base !== copyVersion || !isOpen || !(await writer.isEmpty(plan))) return null;
  const rows = (): Readable => only.source.reader.wholeTable(only.table, plan);
  return fillTable(writer.session, plan, { rows, onBytes: report });
};

const stageTable = async (load: TableLoad): Promise<void> => {
  const { writer, table } = load;
  const isCopied = table.streams.some(({ base }) => base === copyVersion);
  const isEmpty = isCopied && table.onlyIfEmpty && (await writer.isEmpty(table.plan));
  for (const stream of table.streams) await loadStream(load, stream, isEmpty);
};

const loadStream = async (
  { writer, delivery, table, report }: TableLoad,
  stream: RowStream,
  isEmpty: boolean,
): Promise<void> => {
  const { plan } = table;
  const isKept = stream.base === copyVersion && table.onlyIfEmpty && !isEmpty;
  const base = isKept ? null : stream.base;
  const request = {
    scope: stream.scope,
    source: stream.table,
    plan,
    base,
    forSource: delivery.member.role === 'source',
  };
  await fillStage(writer.session, plan, { rows: () => stream.source.reader.rows(request), onBytes: report });
  if (base === null) return;
  const { scope } = stream;
  const version = { src: scope.holder, oxid: base.xid, at: base.at, knows: knowersOfBase(scope, base) };
  await writer.stageAbsentRows(plan, plan.isArbitrated ? version : null);
};

interface ApplyOptions {
  readonly context: RoundContext;
  readonly delivery: Delivery;
  readonly destination: Destination;
  readonly sequences: readonly SequenceValue[];
}

/** Applies what was staged and commits. The connection is given up after a failure: its state is not known. */
export const applyRound = async (options: ApplyOptions): Promise<AppliedCounts> => {
  const { context, delivery, destination, sequences } = options;
  const { writer, lease, staged, filledRowCount } = destination;
  try {
    const moved = delivery.nextPositions.filter((position) => !delivery.positions.includes(position));
    await writer.movePositions(context.sync.id, moved);
    const since = await writer.lock(staged.map(({ plan }) => plan));
    let total: AppliedCounts = { inserted: filledRowCount, updated: 0, deleted: 0, conflicts: 0 };
    for (const table of staged) {
      const conflicts = isContestable(table) ? await settleContests(options, table, since) : 0;
      const applied = await applyStage(writer.applyContext(table.plan, since, table.local));
      total = {
        inserted: total.inserted + applied.inserted,
        updated: total.updated + applied.updated,
        deleted: total.deleted + applied.deleted,
        conflicts: total.conflicts + conflicts,
      };
    }
    await writer.advanceSequences(sequences);
    await writer.checkUnaltered(delivery.tables.map(({ plan }) => plan.table));
    await writer.commit();
    return total;
  } catch (error) {
    lease.discard();
    throw error;
  }
};

/** Versions can only meet where the database has changes of its own, or several sources sent rows. */
const isContestable = ({ local, streams }: TableDelivery): boolean => local !== null || streams.length > 1;

const settleContests = async (
  { context, destination, delivery }: ApplyOptions,
  table: TableDelivery,
  since: string,
): Promise<number> => {
  const { writer } = destination;
  const { plan, local } = table;
  const { text, strategy } = strategyOf(context, plan.id);
  const names = new Map(context.sync.members.map(({ database }) => [database.id, database.name]));
  let conflictCount = 0;
  for await (const contested of writer.contested(plan, local)) {
    const decisions = decide({ contested, strategy, names, table: formatRelation(plan.table.relation) });
    conflictCount += decisions.conflictCount;
    const statements: Sql[] = [];
    if (decisions.records.length > 0)
      statements.push(
        recordConflicts({
          schema: context.schema,
          sync: context.sync.id,
          plan,
          strategy: text,
          versions: decisions.records,
        }),
      );
    if (decisions.relayed.length > 0 && local !== null)
      statements.push(
        relayVersions({
          plan,
          scope: local.scope,
          segment: writer.segment,
          decided: since,
          stageRows: decisions.relayed,
        }),
      );
    if (decisions.lost.length > 0) statements.push(markLost(plan, decisions.lost));
    await writer.execute(...statements);
  }
  return delivery.member.role === 'source' ? conflictCount : 0;
};

const strategyOf = (
  context: RoundContext,
  id: number,
): { readonly text: string; readonly strategy: Strategy } => {
  const { sync } = context;
  const relation = sync.relations.find((candidate) => candidate.id === id);
  const text = relation?.conflictStrategy ?? sync.conflictStrategy;
  return {
    text,
    strategy: parseStrategy(
      text,
      sourcesOf(sync).map(({ database }) => database.name),
    ),
  };
};
