/**
 * What one database gets in a round: from which source, which tables, the changed rows or all of them, and which
 * positions it will have afterwards.
 */
import type { LocalChanges } from '../../connectors/postgres/contest.ts';
import { type BaseVersion, copyVersion } from '../../connectors/postgres/base-version.ts';
import type { TableChanges, Window } from '../../connectors/postgres/changes.ts';
import { segmentNumbers } from '../../connectors/postgres/delta.ts';
import type { EntryScope, Knowledge, Passing } from '../../connectors/postgres/entries.ts';
import { isMany } from '../../connectors/postgres/finding-rows.ts';
import type { Noting } from '../../connectors/postgres/notes.ts';
import type { Position, PositionMove, Snapshot } from '../../connectors/postgres/position.ts';
import { planStage, type StagePlan } from '../../connectors/postgres/stage.ts';
import type { Table } from '../../connectors/postgres/table.ts';
import { ReplicationError } from '../../model/errors.ts';
import {
  type CopyMode,
  type Database,
  type DatabaseId,
  type Member,
  type RelationId,
  sources as sourcesOf,
  type SyncDefinition,
} from '../../model/topology.ts';
import type { Catalog, CatalogTable } from './catalog.ts';
import { allTables, copiesDue, isBehindCopy, isFirst } from './copies.ts';
import { knowledgeOf, passingOf, peersOf, unknownSince } from './knowledge.ts';
import { nextPositions, positionsOfUnsettled } from './next-positions.ts';
import { assertNotable, notingOf } from './noting.ts';
import { isGivenUp, type OpenSource, positionLost, positionProblem } from './source.ts';
import { settleAll } from '../settle.ts';
import { filterOf, mergeOf } from './table-settings.ts';

/** The rows of one table from one source. */
export interface RowStream {
  readonly source: OpenSource;
  readonly table: Table;
  readonly scope: EntryScope;
  /** Null: the changed rows. Else the whole table, in this version. */
  readonly base: BaseVersion | null;
  /** How many deltas there are of it, at most. */
  readonly deltaCount: number;
}

export interface TableDelivery {
  readonly plan: StagePlan;
  /** As the written database has it. */
  readonly written: CatalogTable;
  readonly streams: readonly RowStream[];
  /** What is noted of what is written; null: nothing. */
  readonly noting: Noting | null;
  /** What the written database holds and another source may not know; null where it has no changes of its own by its role. */
  readonly local: LocalChanges | null;
  /** Skip the whole table if it has rows already. */
  readonly onlyIfEmpty: boolean;
}

export interface Delivery {
  readonly member: Member;
  readonly tables: readonly TableDelivery[];
  readonly isCopy: boolean;
  /** The source of a copy takes note that one was asked for; it is written even if nothing has changed. */
  readonly startsAnew: boolean;
  /** The snapshot in which the own changes of the written database were read; null where it has none by its role. */
  readonly ownRead: Snapshot | null;
  readonly positions: readonly Position[];
  /** In the same order; those that do not move are the same objects as before. */
  readonly nextPositions: readonly Position[];
  /** Where a target goes on from there if it has to choose between versions of a row: they may be behind. */
  readonly unsettledPositions: readonly Position[];
  readonly changeCount: number;
  /** When the newest change was made that a reader may not know, by table and source; microseconds since 1970. */
  readonly newestAt: NewestChanges;
  /** By how much the clocks of the sources are ahead, as their changes are corrected; in milliseconds. */
  readonly clocksAheadMs: ReadonlyMap<DatabaseId, number>;
  /** There is nothing to do, but so much to pass over that it is worth moving the positions. */
  readonly isOverdue: boolean;
}

/** The steps that the round makes, none of which another worker may make as well. */
export const movesOf = ({ positions, nextPositions }: Delivery): PositionMove[] =>
  movesBetween(positions, nextPositions);

/** The steps back after those. */
export const movesOfUnsettled = ({ nextPositions, unsettledPositions }: Delivery): PositionMove[] =>
  movesBetween(nextPositions, unsettledPositions);

const movesBetween = (before: readonly Position[], after: readonly Position[]): PositionMove[] =>
  after.map((to, index) => ({ from: before[index] ?? to, to })).filter(({ from, to }) => from !== to);

/** Few changes of rows, and no whole table: the round waits for answers more than for rows. */
export const bringsLittle = ({ tables }: Delivery): boolean =>
  tables.every(({ streams }) =>
    streams.every(({ base, deltaCount }) => base === null && !isMany(deltaCount)),
  );

/** Deltas that are passed over in each round until a position moves; that costs a commit. */
const skippedMax = 1_000;

type NewestChanges = ReadonlyMap<RelationId, ReadonlyMap<DatabaseId, bigint>>;

interface PlanOptions {
  readonly sync: SyncDefinition;
  readonly schema: string;
  readonly member: Member;
  readonly catalog: Catalog;
  readonly positions: readonly Position[];
  readonly sources: readonly OpenSource[];
}

interface SourceChanges {
  readonly source: OpenSource;
  readonly window: Window;
  readonly changes: ReadonlyMap<RelationId, TableChanges>;
}

export const planDelivery = async (options: PlanOptions): Promise<Delivery> => {
  const { sync, member, positions } = options;
  const due = wasGivenUp(options) ? allTables(sync) : copiesDue(sync, member.database, positions);
  const isCopy = due.size > 0;
  const isReplaced = [...due.values()].includes('replace');
  const startsAnew = !isCopy && isBehindCopy(sync, positions);
  const lost = isReplaced ? new Set<DatabaseId>() : lostPositions(options, startsAnew);
  const others = options.sources.filter(
    ({ database }) =>
      database.id !== member.database.id &&
      !lost.has(database.id) &&
      (!isReplaced || isFirst(sync, database)),
  );
  const read = await settleAll(others.map((source) => readChanges(options, source)));
  const copied = isCopy ? copySource(options, read) : null;
  const own = await readOwnChanges(options);
  const changed = changedIn(read);
  const tables = sync.relations
    .filter(({ id, kind }) => kind === 'table' && (due.has(id) || changed.has(id)))
    .flatMap(({ id }) => {
      const mode = due.get(id) ?? null;
      return planTable({ options, id, read, copied: mode === null ? null : copied, mode, own });
    });
  const all = read.flatMap(({ changes }) => [...changes.values()]);
  const next = nextPositions(positions, {
    sync,
    sources: options.sources,
    heir: isReplaced ? (copied?.source ?? null) : null,
    isWhole: sync.relations.every(({ id, kind }) => kind !== 'table' || due.get(id) === 'replace'),
    isRenewed: isCopy || startsAnew,
  });
  return {
    member,
    tables,
    isCopy,
    startsAnew,
    ownRead: own?.source.opening.snapshot ?? null,
    positions,
    nextPositions: next,
    unsettledPositions: member.role === 'source' ? next : positionsOfUnsettled(next, options.sources),
    changeCount: all.reduce((sum, { changeCount }) => sum + changeCount, 0),
    newestAt: newestChanges(own === null ? read : [...read, own]),
    clocksAheadMs: new Map(
      options.sources.map(({ database, opening }) => [database.id, opening.clockAheadMs]),
    ),
    isOverdue: all.reduce((sum, { skippedCount }) => sum + skippedCount, 0) > skippedMax,
  };
};

/** By one of the sources. The first source cannot be copied to. */
const wasGivenUp = ({ sync, member, positions, sources }: PlanOptions): boolean =>
  !isFirst(sync, member.database) &&
  positions.some((position) => {
    const source = sources.find(({ database }) => database.id === position.source);
    return source !== undefined && isGivenUp(source, position, member.database);
  });

/**
 * The sources of which this database's position is of no use any more. Only the first source may pass over that, when a copy
 * was asked for: what the others have and it lacks is given up then, and it reads on from now.
 * @throws ReplicationError `position_lost`, `server_unsupported`
 */
const lostPositions = (
  { sync, member, positions, sources }: PlanOptions,
  startsAnew: boolean,
): Set<DatabaseId> => {
  const lost = new Set<DatabaseId>();
  for (const position of positions) {
    const source = sources.find(({ database }) => database.id === position.source);
    const problem =
      source === undefined ? null : positionProblem(source, { position, reader: member.database, sync });
    if (problem === null) continue;
    if (!startsAnew || sync.onetimecopy !== 1 || problem.code !== 'position_lost') throw problem;
    lost.add(position.source);
  }
  return lost;
};

const copySource = ({ sync }: PlanOptions, read: readonly SourceChanges[]): SourceChanges => {
  const found = read.find(({ source }) => isFirst(sync, source.database));
  if (found !== undefined) return found;
  const first = sourcesOf(sync)[0]?.database.name ?? '';
  throw new ReplicationError('database_unreachable', {
    message: `The copy is taken from ${first}, which cannot be reached.`,
    facts: { database: first },
  });
};

const readChanges = async (options: PlanOptions, source: OpenSource): Promise<SourceChanges> => {
  const window = windowOf(options, source);
  return { source, window, changes: await source.reader.changes(source.tables, window) };
};

/**
 * What somebody who takes part does not know of the source, also where the written database does: a row that it reads from one
 * source may meet a version of another, and then it has to decide as the others will (test/simulation).
 */
const windowOf = (options: PlanOptions, source: OpenSource): Window => {
  const { sync, sources, member } = options;
  const { snapshot } = positionOf(options, source.database);
  const own = knowledgeOf(options.positions);
  const peers = peersOf(sources, source);
  const readers = [...peers.map(({ knows }) => knows), ...(member.role === 'source' ? [] : [own])];
  const passingTo = (those: readonly Knowledge[]): Passing =>
    passingOf(sync, source.database.id, { peers, readers: those });
  return {
    sync: sync.id,
    since: unknownSince(source, readers),
    passing: passingTo(readers),
    known: { position: snapshot, passing: passingTo([own]) },
    // A source compares what comes back to it with what it holds; a target would just take it.
    exceptBy: member.role === 'source' ? null : member.database.id,
  };
};

/**
 * The window in which a target will read the only source of its sync, if its position is still this one. With more sources it
 * depends on what they know of each other by then.
 */
export const foreseenWindow = (
  { sync, member }: { readonly sync: SyncDefinition; readonly member: Member },
  positions: readonly Position[],
): Window | null => {
  const [source, ...others] = sourcesOf(sync);
  const position = positions.find((candidate) => candidate.source === source?.database.id);
  if (source === undefined || others.length > 0 || position === undefined) return null;
  const passing = passingOf(sync, source.database.id, { peers: [], readers: [knowledgeOf(positions)] });
  return {
    sync: sync.id,
    since: position.snapshot,
    passing,
    known: { position: position.snapshot, passing },
    exceptBy: member.database.id,
  };
};

const positionOf = ({ positions, member, sync }: PlanOptions, source: Database): Position => {
  const position = positions.find((candidate) => candidate.source === source.id);
  if (position !== undefined) return position;
  throw positionLost({
    source,
    reader: member.database,
    sync,
    what: 'was never read, or the schema of the reader was emptied',
    advice: '',
  });
};

/** What a database that is a source itself holds and some other source may not know. */
type OwnChanges = SourceChanges;

/** Null for a database that is no source. */
const readOwnChanges = async (options: PlanOptions): Promise<OwnChanges | null> => {
  const { sync, sources, member } = options;
  const source = sources.find(({ database }) => database.id === member.database.id);
  if (source === undefined) return null;
  const peers = peersOf(sources, source);
  const readers = peers.map(({ knows }) => knows);
  const since = unknownSince(source, readers);
  const passing = passingOf(sync, source.database.id, { peers, readers });
  const window = { sync: sync.id, since, passing, known: { position: since, passing }, exceptBy: null };
  return { source, window, changes: await source.reader.changes(source.tables, window) };
};

const planTable = (input: {
  readonly options: PlanOptions;
  readonly id: RelationId;
  readonly read: readonly SourceChanges[];
  /** What it is copied from; null: it is not copied. */
  readonly copied: SourceChanges | null;
  readonly mode: CopyMode | null;
  readonly own: OwnChanges | null;
}): TableDelivery[] => {
  const { options, id, read, copied, mode, own } = input;
  const { sync, member } = options;
  const target = options.catalog.tables.get(id);
  if (target === undefined) return [];
  if (!read.some((sender) => sender === copied || sender.changes.get(id)?.isNew === true)) return [];
  const senders = read.filter((sender) => sender === copied || sender.changes.has(id));
  const [first, ...rest] = senders.map((sender) => tableFor(member, sender.source, id));
  if (first === undefined) return [];
  const noting = notingOf({ sync, member, target });
  const plan = planStage({
    id,
    sources: [first, ...rest],
    target: target.table,
    database: member.database.name,
    // A source that is away counts too: what was brought from it is told apart by its version.
    hasVersions: sourcesOf(sync).length > 1 || noting !== null,
    filter: filterOf(sync, id, member),
    merge: mergeOf(sync, id, member),
  });
  if (noting !== null) assertNotable(plan, target, member.database);
  return [
    {
      plan,
      written: target,
      noting,
      streams: senders.map((sender) => planStream(options, id, sender, copied)),
      local: own === null ? null : localChanges(options, id, own),
      onlyIfEmpty: mode === 'fill',
    },
  ];
};

const changedIn = (read: readonly SourceChanges[]): Set<RelationId> =>
  new Set(read.flatMap(({ changes }) => [...changes.keys()]));

const newestChanges = (read: readonly SourceChanges[]): NewestChanges =>
  new Map([...changedIn(read)].map((id) => [id, newestAtOf(read, id)]));

const newestAtOf = (read: readonly SourceChanges[], id: RelationId): ReadonlyMap<DatabaseId, bigint> =>
  new Map(
    read.flatMap(({ source, changes }): [DatabaseId, bigint][] => {
      const at = changes.get(id)?.newestAtMicros ?? null;
      return at === null ? [] : [[source.database.id, at]];
    }),
  );

const planStream = (
  options: PlanOptions,
  id: RelationId,
  sender: SourceChanges,
  copied: SourceChanges | null,
): RowStream => {
  const table = tableFor(options.member, sender.source, id);
  const truncation = sender.changes.get(id)?.truncation ?? null;
  return {
    source: sender.source,
    table,
    base: sender === copied ? copyVersion : truncation,
    deltaCount: sender.changes.get(id)?.deltaCount ?? 0,
    scope: scopeOf(options, id, sender),
  };
};

const localChanges = (options: PlanOptions, id: RelationId, own: OwnChanges): LocalChanges => ({
  // An application may write, and another sync bring something, after the snapshot in which they were counted.
  scope: { ...scopeOf(options, id, own), hasRelays: true, segments: segmentNumbers },
  truncation: own.changes.get(id)?.truncation ?? null,
});

const scopeOf = (
  { schema, sync, sources, member, positions }: PlanOptions,
  id: RelationId,
  { source, window, changes }: SourceChanges,
): EntryScope => {
  const { table, shape } = tableOf(source, id);
  if (table.key === null) throw new Error(`${table.relation.name} has no key`);
  const target = { id: member.database.id, knows: knowledgeOf(positions) };
  return {
    schema,
    sync: sync.id,
    holder: source.database.id,
    table: id,
    shape,
    key: table.key,
    since: window.since,
    peers: [...peersOf(sources, source), ...(member.role === 'source' ? [] : [target])],
    passing: window.passing,
    exceptBy: window.exceptBy,
    hasRelays: changes.get(id)?.hasRelays ?? false,
    segments: changes.get(id)?.segments ?? segmentNumbers,
  };
};

/** In the columns in which it goes there. */
const tableFor = ({ database }: Member, source: OpenSource, id: RelationId): Table => {
  const { table, projections } = tableOf(source, id);
  return projections.get(database.id) ?? table;
};

const tableOf = (source: OpenSource, id: RelationId): CatalogTable & { readonly shape: number } => {
  const table = source.catalog.tables.get(id);
  if (table === undefined || table.shape === null)
    throw new Error(`relation ${id} is not captured on ${source.database.name}`);
  return { ...table, shape: table.shape };
};
