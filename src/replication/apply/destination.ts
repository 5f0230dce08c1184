/** A written database in a round: filled stage by stage while the sources are open, then applied in one go. */
import assert from 'node:assert/strict';
import type { AppliedRows } from '../../connectors/postgres/apply-stage.ts';
import type { StagedVersion } from '../../connectors/postgres/apply.ts';
import {
  type BaseVersion,
  copyVersion,
  knowersOfBase,
  pathFrom,
} from '../../connectors/postgres/base-version.ts';
import { isMany } from '../../connectors/postgres/finding-rows.ts';
import { type HeldRows, Holder } from '../../connectors/postgres/held-rows.ts';
import { fillStage, fillTable } from '../../connectors/postgres/load.ts';
import type { RowRequest } from '../../connectors/postgres/reader.ts';
import type { Position, Snapshot } from '../../connectors/postgres/position.ts';
import type { SequenceValue } from '../../connectors/postgres/sequences.ts';
import type { StagePlan } from '../../connectors/postgres/stage.ts';
import { PostgresWriter } from '../../connectors/postgres/writer.ts';
import type { Loan } from '../../pg/pool.ts';
import {
  bringsLittle,
  type Delivery,
  movesOf,
  movesOfUnsettled,
  type RowStream,
  type TableDelivery,
} from '../read/delivery.ts';
import type { RoundContext } from '../round.ts';
import { careOf } from '../care.ts';
import { assertMayWrite } from '../may-write.ts';
import { settleAll } from '../settle.ts';
import { needsNoDecision, settleTable } from './settle-table.ts';

export interface Destination {
  readonly writer: PostgresWriter;
  readonly loan: Loan;
  readonly loaded: readonly LoadedTable[];
  /** Rows that go into their stages with the next message. */
  readonly held: readonly HeldRows[];
}

interface LoadedTable {
  readonly table: TableDelivery;
  /** False: it was empty, has been filled, and needs no more. */
  readonly isStaged: boolean;
  readonly rowCount: number;
}

export type AppliedCounts = AppliedRows & { readonly conflicts: number };

export interface Applied {
  readonly counts: AppliedCounts;
  /** Where the database stands now. */
  readonly positions: readonly Position[];
  /** False: the database has chosen between versions of which the sources have yet to choose one. */
  readonly isSettled: boolean;
}

interface LoadOptions {
  readonly context: RoundContext;
  readonly delivery: Delivery;
  readonly loan: Loan;
}

/** Opens the transaction and brings the rows over. */
export const loadRound = async ({ context, delivery, loan }: LoadOptions): Promise<Destination> => {
  const { database } = delivery.member;
  const midway = (): Promise<void> => context.reached('copying', database);
  const writer = new PostgresWriter(loan.session, {
    schema: context.schema,
    // A target from which its changes go on is a source of another sync.
    hasWriters: delivery.member.role === 'source' || delivery.tables.some(({ noting }) => noting !== null),
  });
  try {
    await writer.begin();
    const surelyStaged = delivery.tables.filter((table) => directStream(delivery, table) === null);
    await writer.prepareStages(surelyStaged.map(({ plan }) => plan));
    const holder = bringsLittle(delivery) ? new Holder(writer.session) : null;
    let bytes = 0;
    const loadTable = async (table: TableDelivery, index: number): Promise<LoadedTable> => {
      const report = (more: number): void => {
        bytes += more;
        context.onProgress({
          database: database.id,
          isCopy: delivery.isCopy,
          tablesDone: index,
          tablesTotal: delivery.tables.length,
          bytes,
        });
      };
      const load = { writer, delivery, table, holder, report, midway };
      const filled = await fillEmptyTable(load);
      return filled === null
        ? { table, isStaged: true, rowCount: await stageTable(load) }
        : { table, isStaged: false, rowCount: filled };
    };
    const { tables } = delivery;
    const loaded = holder === null ? await inTurn(tables, loadTable) : await settleAll(tables.map(loadTable));
    await context.reached('loaded', database);
    return { writer, loan, loaded, held: holder?.held ?? [] };
  } catch (error) {
    loan.discard();
    throw error;
  }
};

const inTurn = async <T, R>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> => {
  const results: R[] = [];
  for (const [index, item] of items.entries()) results.push(await work(item, index));
  return results;
};

interface TableLoad {
  readonly writer: PostgresWriter;
  readonly delivery: Delivery;
  readonly table: TableDelivery;
  /** Null: rows go into their stage as they come. */
  readonly holder: Holder | null;
  readonly report: (bytes: number) => void;
  readonly midway: () => Promise<void>;
}

/** The rows that may go straight into the table if it is empty; null: they may not, or are too few to ask. */
const directStream = ({ member }: Delivery, { plan, streams, noting }: TableDelivery): RowStream | null => {
  const [only, ...others] = streams;
  const isOnlyWriter = member.role === 'target' && noting === null;
  if (only === undefined || others.length > 0 || !isOnlyWriter || !plan.fitsTableDirectly) return null;
  return only.base !== null || isMany(only.deltaCount) ? only : null;
};

/** The short way, straight into an empty table. Null where that way is not open, and nothing was done. */
const fillEmptyTable = async ({
  writer,
  delivery,
  table,
  report,
  midway,
}: TableLoad): Promise<number | null> => {
  const { plan } = table;
  const stream = directStream(delivery, table);
  if (stream === null || !(await writer.isEmpty(plan))) return null;
  const { reader } = stream.source;
  return reader.send(requestOf(stream, plan), 'bare', (rows) =>
    fillTable(writer.session, plan, { rows, sender: reader.label, onBytes: report, midway }),
  );
};

const requestOf = ({ scope, table, base, deltaCount }: RowStream, plan: StagePlan): RowRequest => ({
  scope,
  source: table,
  plan,
  base,
  deltaCount,
});

/** Fills the stage of a table from all its streams. @returns with how many rows */
export const stageTable = async (load: TableLoad): Promise<number> => {
  const { writer, table } = load;
  const isCopied = table.streams.some(({ base }) => base === copyVersion);
  const isEmpty = isCopied && table.onlyIfEmpty && (await writer.isEmpty(table.plan));
  const loadOne = (stream: RowStream): Promise<number> => loadStream(load, stream, isEmpty);
  const { streams } = table;
  const counts = await (load.holder === null ? inTurn(streams, loadOne) : settleAll(streams.map(loadOne)));
  return counts.reduce((sum, count) => sum + count, 0);
};

const loadStream = async (
  { writer, table, holder, report, midway }: TableLoad,
  stream: RowStream,
  isEmpty: boolean,
): Promise<number> => {
  const { plan } = table;
  const isKept = stream.base === copyVersion && table.onlyIfEmpty && !isEmpty;
  const base = isKept ? null : stream.base;
  const { reader } = stream.source;
  const request = { ...requestOf(stream, plan), base };
  const incoming = { sender: reader.label, onBytes: report, midway };
  const sent =
    holder === null
      ? await reader.send(request, 'staged', (rows) => fillStage(writer.session, plan, { ...incoming, rows }))
      : await reader.sendFew(request, (rows) => holder.take(plan, { ...incoming, rows }));
  if (base === null) return sent;
  const version = plan.hasVersions ? absentVersion(stream, base) : null;
  return sent + (await writer.stageAbsentRows(plan, version));
};

const absentVersion = ({ scope }: RowStream, base: BaseVersion): StagedVersion => ({
  src: scope.holder,
  origin: base.origin ?? scope.holder,
  oxid: base.xid,
  at: base.at,
  path: pathFrom(scope.holder, base),
  knows: knowersOfBase(scope, base),
});

interface ApplyOptions {
  readonly context: RoundContext;
  readonly delivery: Delivery;
  readonly destination: Destination;
  readonly sequences: readonly SequenceValue[];
  /** Fails when what was read cannot be relied on: then nothing may be committed. */
  readonly sourcesFinished: Promise<unknown>;
}

/** Applies what was staged and commits. The connection is given up after a failure: its state is not known. */
export const applyRound = async (options: ApplyOptions): Promise<Applied> => {
  const { context, delivery, destination, sequences, sourcesFinished } = options;
  const { writer, loan, loaded, held } = destination;
  const { database } = delivery.member;
  try {
    const moves = movesOf(delivery);
    assert(moves.length > 0, 'nothing keeps a second worker from writing the same');
    assertMayWrite(context, database);
    // Rows that applications write are not kept locked while another database takes its time.
    if (writer.hasWriters) await sourcesFinished;
    const staged = loaded.filter(({ isStaged }) => isStaged);
    const plans = staged.map(({ table }) => table.plan);
    const write = (since: Snapshot | null): Promise<AppliedRows[]> =>
      writeStaged({ context, delivery, writer, staged, since });
    const filling = held.map((rows) => writer.fill(rows));
    const entering = writer.enter(context.sync.id, moves, plans);
    // What depends on no answer is asked before there is one.
    const applying =
      !writer.hasWriters && staged.every(({ table }) => needsNoDecision(table)) ? write(null) : null;
    applying?.catch(() => undefined);
    await settleAll<unknown>([...filling, entering]);
    const since = await entering;
    await context.reached('rows_locked', database);
    let conflicts = 0;
    let isUnsettled = false;
    for (const { table } of staged) {
      const settled = await settleTable({ context, delivery, writer, table, since });
      conflicts += settled.conflictCount;
      isUnsettled ||= !settled.isSettled && delivery.member.role === 'target';
      await context.reached('decided', database);
    }
    if (isUnsettled) await writer.move(context.sync.id, movesOfUnsettled(delivery));
    const applied = await (applying ?? write(writer.hasWriters ? since : null));
    await writer.merge(plans);
    await context.reached('rows_applied', database);
    await writer.advanceSequences(sequences);
    await sourcesFinished;
    await context.reached('committing', database);
    assertMayWrite(context, database);
    await writer.commit(plans);
    await context.reached('committed', database);
    await tend(options);
    const filledRowCount = loaded.reduce((sum, { isStaged, rowCount }) => sum + (isStaged ? 0 : rowCount), 0);
    return {
      counts: {
        inserted: sumOf(applied, 'inserted') + filledRowCount,
        updated: sumOf(applied, 'updated'),
        deleted: sumOf(applied, 'deleted'),
        conflicts,
      },
      positions: isUnsettled ? delivery.unsettledPositions : delivery.nextPositions,
      isSettled: !isUnsettled,
    };
  } catch (error) {
    loan.discard();
    throw error;
  }
};

/** What was copied is looked after, where the sync says so. */
const tend = async ({ context: { sync }, delivery, destination }: ApplyOptions): Promise<void> => {
  const copied = delivery.tables.filter(({ streams }) => streams.some(({ base }) => base === copyVersion));
  await destination.writer.tend(copied.map(({ plan: { id, table } }) => ({ table, care: careOf(sync, id) })));
};

interface Writing {
  readonly context: RoundContext;
  readonly delivery: Delivery;
  readonly writer: PostgresWriter;
  readonly staged: readonly LoadedTable[];
  /** From when on the rows have been locked against applications; null: none writes this database. */
  readonly since: Snapshot | null;
}

const writeStaged = ({ context, delivery, writer, staged, since }: Writing): Promise<AppliedRows[]> => {
  const { tables, ownRead } = delivery;
  return writer.apply(
    staged.map(({ table: { plan, local }, rowCount }) => ({ plan, local, stagedRowCount: rowCount, since })),
    writer.unaltered(
      tables.map(({ written }) => written),
      ownRead === null ? null : { sync: context.sync.id, snapshot: ownRead },
    ),
  );
};

const sumOf = (applied: readonly AppliedRows[], what: keyof AppliedRows): number =>
  applied.reduce((sum, rows) => sum + rows[what], 0);
