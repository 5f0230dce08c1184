/** What comes between staging a table's rows and writing them: verdicts, conflict records, notes. */
import { recordConflicts } from '../../connectors/postgres/conflict-record.ts';
import { type ContestedRow, mark, markDuplicates, markWithheld } from '../../connectors/postgres/contest.ts';
import {
  noteApplied,
  noteKept,
  noteStaged,
  noteTruncation,
  type NotingPlace,
} from '../../connectors/postgres/notes.ts';
import { type BaseVersion, copyVersion } from '../../connectors/postgres/base-version.ts';
import type { EntryScope } from '../../connectors/postgres/entries.ts';
import type { StagePlace } from '../../connectors/postgres/stage.ts';
import type { PostgresWriter } from '../../connectors/postgres/writer.ts';
import { formatRelation, sources as sourcesOf } from '../../model/topology.ts';
import type { Sql } from '../../pg/sql.ts';
import { type Circumstances, parseStrategy, type Strategy } from '../plan/strategy.ts';
import type { Delivery, TableDelivery } from '../read/delivery.ts';
import type { RoundContext } from '../round.ts';
import { abortion, type Decisions, decide, recordedVersions } from './decide.ts';

interface Settling {
  readonly context: RoundContext;
  readonly delivery: Delivery;
  readonly writer: PostgresWriter;
  readonly table: TableDelivery;
  /** From when on the rows have been locked. */
  readonly since: string;
}

export interface Settled {
  /** How many conflicts this database has recorded. */
  readonly conflictCount: number;
  /** False: of some row there were versions none of whose makers knew of the others. */
  readonly isSettled: boolean;
}

/** Decides which staged rows are applied, and notes them. */
export const settleTable = async (settling: Settling): Promise<Settled> => {
  const { table, writer } = settling;
  const truncations = truncationsOf(table);
  // Drawn before anything else is noted: what stays or comes beside a truncation is the later version of its row.
  const seqs = await writer.drawSeqs(truncations.length);
  let conflictCount = 0;
  let isSettled = true;
  if (isContestable(table)) {
    for await (const decisions of decidedPages(settling)) {
      refuseAborted(settling, decisions);
      conflictCount += decisions.conflicts.length;
      isSettled &&= decisions.isSettled;
      await writer.execute(...statementsFor(settling, decisions));
    }
  }
  await writer.execute(
    ...marksOfRest(table),
    ...truncations.flatMap((truncation, index) => noteOfTruncation(settling, truncation, seqs[index])),
    ...notesOfRest(settling),
  );
  return { conflictCount: table.local === null ? 0 : conflictCount, isSettled };
};

/** Somebody else may hold another version of a row that was staged. */
export const isContestable = ({ local, streams }: TableDelivery): boolean =>
  local !== null || streams.length > 1;

/** Nothing is to be decided or noted: what is staged is applied. */
export const needsNoDecision = (table: TableDelivery): boolean =>
  !isContestable(table) && table.noting === null && marksOfRest(table).length === 0;

/** What keeps staged rows from being applied when the contested ones are decided. */
export const marksOfRest = ({ plan, streams }: TableDelivery): Sql[] => {
  const withheld = markWithheld(plan);
  return [...(streams.length > 1 ? [markDuplicates(plan)] : []), ...(withheld === null ? [] : [withheld])];
};

/** The contested rows of a table with what is decided of them, a page at a time. */
export async function* decidedPages(settling: Omit<Settling, 'since'>): AsyncGenerator<Decisions> {
  const { context, delivery, writer, table } = settling;
  const { local, plan, streams } = table;
  const names = new Map(context.sync.members.map(({ database }) => [database.id, database.name]));
  const options = {
    strategy: strategyOf(context, plan.id).strategy,
    names,
    circumstances: circumstancesOf(context, delivery, table),
    isMerged: plan.merge !== null,
  };
  const pages = writer.contested(plan, { local, isSentByMany: streams.length > 1 });
  for await (const contested of pages as AsyncGenerator<readonly ContestedRow[]>)
    yield decide({ ...options, contested });
}

/** @throws ReplicationError `conflict_abort` */
const refuseAborted = ({ context, table }: Settling, { conflicts }: Decisions): void => {
  const { plan } = table;
  const { strategy } = strategyOf(context, plan.id);
  const error = abortion(strategy, {
    table: formatRelation(plan.table.relation),
    conflictCount: conflicts.length,
  });
  if (error !== null) throw error;
};

const circumstancesOf = (
  { sync }: RoundContext,
  { newestAt }: Delivery,
  { plan }: TableDelivery,
): Omit<Circumstances, 'key'> => ({
  sources: sourcesOf(sync).map(({ database }) => database.name),
  newestAt: {
    inTable: (origin) => newestAt.get(plan.id)?.get(origin) ?? null,
    inSync: (origin) => newestOf([...newestAt.values()].flatMap((table) => table.get(origin) ?? [])),
  },
});

const newestOf = (times: readonly bigint[]): bigint | null =>
  times.reduce<bigint | null>((newest, at) => (newest === null || at > newest ? at : newest), null);

const statementsFor = (
  settling: Settling,
  { conflicts, chosen, chosenToMerge, kept, met, lost, merged }: Decisions,
): Sql[] => {
  const { context, table } = settling;
  const { plan, noting, local } = table;
  const { schema, sync } = context;
  const place = placeOf(settling);
  const records =
    conflicts.length === 0
      ? []
      : [
          recordConflicts({
            schema,
            sync: sync.id,
            plan,
            strategy: strategyOf(context, plan.id).text,
            versions: recordedVersions(conflicts),
            clocksAheadMs: settling.delivery.clocksAheadMs,
          }),
        ];
  if (noting === null || local === null) return [...records, ...marks(settling, lost)];
  return [
    ...records,
    ...noted(settling, { places: chosen, isVerdict: true, fate: 'noted' }),
    ...noted(settling, { places: chosenToMerge, isVerdict: true, fate: 'merged' }),
    ...(kept.length > 0 ? [noteKept(plan, noting, place, kept)] : []),
    ...noted(settling, { places: met, isVerdict: false, fate: 'noted' }),
    ...marks(settling, lost),
    ...(merged.length > 0 ? [mark(plan, 'merged', merged)] : []),
  ];
};

const noted = (settling: Settling, what: Parameters<typeof noteStaged>[3]): Sql[] => {
  const { plan, noting } = settling.table;
  return noting === null || what.places.length === 0 ? [] : noteStaged(plan, noting, placeOf(settling), what);
};

/** Keeps these staged rows from being applied. */
export const marks = ({ table }: Pick<Settling, 'table'>, lost: readonly StagePlace[]): Sql[] =>
  lost.length > 0 ? [mark(table.plan, 'lost', lost)] : [];

interface BroughtTruncation {
  readonly base: BaseVersion;
  readonly scope: EntryScope;
}

/** Those that are noted here. */
const truncationsOf = ({ noting, streams }: TableDelivery): BroughtTruncation[] =>
  noting === null || noting.which === 'met'
    ? []
    : streams.flatMap(({ base, scope }) => (base === null || base === copyVersion ? [] : [{ base, scope }]));

const noteOfTruncation = (
  settling: Settling,
  truncation: BroughtTruncation,
  seq: string | undefined,
): Sql[] => {
  const { plan, noting } = settling.table;
  if (noting === null || seq === undefined) return [];
  return [noteTruncation(plan, noting, placeOf(settling), { ...truncation, seq })];
};

const notesOfRest = (settling: Settling): Sql[] => {
  const { plan, noting } = settling.table;
  return noting === null || noting.which === 'met' ? [] : [noteApplied(plan, noting, placeOf(settling))];
};

const placeOf = ({ context, delivery, writer, since }: Settling): NotingPlace => ({
  schema: context.schema,
  sync: context.sync.id,
  holder: delivery.member.database.id,
  segment: writer.segment,
  decided: since,
  origins: sourcesOf(context.sync).map(({ database }) => database.id),
});

export const strategyOf = (
  { sync }: RoundContext,
  id: number,
): { readonly text: string; readonly strategy: Strategy } => {
  const relation = sync.relations.find((candidate) => candidate.id === id);
  // Between a row that is there and its deletion the later one counts, as between values.
  if (relation?.merge) return { text: 'merge', strategy: parseStrategy('bucardo_latest', []) };
  const text = relation?.conflictStrategy ?? sync.conflictStrategy;
  const sources = sourcesOf(sync).map(({ database }) => database.name);
  return { text, strategy: parseStrategy(text, sources) };
};
