/**
 * What one database gets in a round: from which source, which tables, the changed rows or all of them, and which
 * positions it will have afterwards.
 */
import type { LocalChanges } from '../../connectors/postgres/contest.ts';
import type { EntryScope, Peer } from '../../connectors/postgres/entries.ts';
import { earliest, type Position, type Snapshot } from '../../connectors/postgres/position.ts';
import {
  type BaseVersion,
  copyVersion,
  type SourceTable,
  type TableChanges,
  type Window,
} from '../../connectors/postgres/reader.ts';
import { planStage, type StagePlan } from '../../connectors/postgres/stage.ts';
import type { Table } from '../../connectors/postgres/table.ts';
import { ReplicationError } from '../../model/errors.ts';
import {
  type Database,
  type DatabaseId,
  type Member,
  type RelationId,
  sources as sourcesOf,
  type SyncDefinition,
} from '../../model/topology.ts';
import type { Catalog, CatalogTable } from './catalog.ts';
import { type OpenSource, positionLost, positionProblem } from './source.ts';
import { settleAll } from '../settle.ts';

/** The rows of one table from one source. */
export interface RowStream {
  readonly source: OpenSource;
  readonly table: Table;
  readonly scope: EntryScope;
  /** Null: the changed rows. Else the whole table, in this version. */
  readonly base: BaseVersion | null;
}

export interface TableDelivery {
  readonly plan: StagePlan;
  readonly streams: readonly RowStream[];
  /** The written database's own changes that another source does not know; null where it has none by its role. */
  readonly local: LocalChanges | null;
  /** Skip the whole table if it has rows already: `onetimecopy=2`. */
  readonly onlyIfEmpty: boolean;
}

export interface Delivery {
  readonly member: Member;
  readonly tables: readonly TableDelivery[];
  readonly isCopy: boolean;
  /** The source of a copy takes note that one was asked for; it is written even if nothing has changed. */
  readonly startsAnew: boolean;
  /** Those that do not move are the same objects as before. */
  readonly nextPositions: readonly Position[];
  readonly positions: readonly Position[];
  readonly changeCount: number;
}

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
  const isCopy = needsCopy(sync, member.database, positions);
  const isReplaced = isCopy && sync.onetimecopy === 1;
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
  const tables = sync.relations
    .filter(({ kind }) => kind === 'table')
    .flatMap(({ id }) => planTable({ options, id, read, copied, own }));
  const counts = read.flatMap(({ changes }) => [...changes.values()].map(({ changeCount }) => changeCount));
  return {
    member,
    tables,
    isCopy,
    startsAnew,
    positions,
    nextPositions: nextPositions(options, { heir: isReplaced ? copied : null }),
    changeCount: counts.reduce((sum, count) => sum + count, 0),
  };
};

const isFirst = (sync: SyncDefinition, { id }: Database): boolean => sourcesOf(sync)[0]?.database.id === id;

/** A copy was asked for since these positions were made. */
export const isBehindCopy = (sync: SyncDefinition, positions: readonly Position[]): boolean =>
  sync.onetimecopy !== 0 && positions.some(({ copyGeneration }) => copyGeneration < sync.copyGeneration);

/** The first source is the one that is copied, so it is never copied to. */
export const needsCopy = (
  sync: SyncDefinition,
  database: Database,
  positions: readonly Position[],
): boolean => isBehindCopy(sync, positions) && !isFirst(sync, database);

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
  const changes = await source.reader.changes(sourceTables(source), window, options.sync.id);
  return { source, window, changes };
};

/**
 * A target also looks at what the sources have not settled among themselves: a row that it has read from one of them
 * may meet a change of another, and then it has to decide as they will (see `plan/convergence.test.ts`).
 */
const windowOf = (options: PlanOptions, source: OpenSource): Window => {
  const { snapshot } = positionOf(options, source.database);
  if (options.member.role === 'source') return { since: snapshot, position: snapshot };
  const unsettled = peersOf(options, source).map(({ knows }) => knows);
  return { since: earliest([snapshot, ...unsettled]), position: snapshot };
};

const positionOf = ({ positions, member, sync }: PlanOptions, source: Database): Position => {
  const position = positions.find((candidate) => candidate.source === source.id);
  if (position !== undefined) return position;
  throw positionLost({
    source,
    reader: member.database,
    sync,
    what: 'was never read, or the schema of the reader was emptied',
  });
};

/** What a database that is a source itself has changed and some other source does not know. */
interface OwnChanges {
  readonly source: OpenSource;
  readonly changes: ReadonlyMap<RelationId, TableChanges>;
  readonly peers: readonly Peer[];
}

/** Null for a database that is no source. */
const readOwnChanges = async (options: PlanOptions): Promise<OwnChanges | null> => {
  const source = options.sources.find(({ database }) => database.id === options.member.database.id);
  if (source === undefined) return null;
  const peers = peersOf(options, source);
  const since = unknownSince(source, peers);
  const changes = await source.reader.changes(
    sourceTables(source),
    { since, position: since },
    options.sync.id,
  );
  return { source, changes, peers };
};

/** What some other source does not know of this one begins here. */
const unknownSince = ({ opening }: OpenSource, peers: readonly Peer[]): Snapshot =>
  earliest([opening.snapshot, ...peers.map(({ knows }) => knows)]);

/** The other sources that are present, with how far each has read this one. */
const peersOf = ({ sources }: PlanOptions, source: OpenSource): Peer[] =>
  sources.flatMap(({ database, opening }) => {
    const position = opening.positions.find((candidate) => candidate.source === source.database.id);
    return position === undefined ? [] : [{ id: database.id, knows: position.snapshot }];
  });

const sourceTables = ({ catalog }: OpenSource): SourceTable[] =>
  [...catalog.tables.values()].flatMap(({ id, table, shape }) =>
    shape === null ? [] : [{ id, table, shape }],
  );

const planTable = (input: {
  readonly options: PlanOptions;
  readonly id: RelationId;
  readonly read: readonly SourceChanges[];
  readonly copied: SourceChanges | null;
  readonly own: OwnChanges | null;
}): TableDelivery[] => {
  const { options, id, read, copied, own } = input;
  const target = options.catalog.tables.get(id);
  if (target === undefined) return [];
  if (!read.some((sender) => sender === copied || sender.changes.get(id)?.isNew === true)) return [];
  const senders = read.filter((sender) => sender === copied || sender.changes.has(id));
  const [first, ...rest] = senders.map((sender) => tableOf(sender.source, id).table);
  if (first === undefined) return [];
  // A source that is away counts too: what was relayed from it must reach the targets all the same.
  const isArbitrated = sourcesOf(options.sync).length > 1;
  return [
    {
      plan: planStage({
        id,
        sources: [first, ...rest],
        target: target.table,
        database: options.member.database.name,
        isArbitrated,
      }),
      streams: senders.map((sender) => planStream(options, id, sender, copied)),
      local: own === null ? null : localChanges(options, target, own),
      onlyIfEmpty: copied !== null && options.sync.onetimecopy === 2,
    },
  ];
};

const planStream = (
  options: PlanOptions,
  id: RelationId,
  sender: SourceChanges,
  copied: SourceChanges | null,
): RowStream => {
  const { source, window, changes } = sender;
  const { table, shape } = tableOf(source, id);
  const change = changes.get(id);
  return {
    source,
    table,
    base: sender === copied ? copyVersion : (change?.truncation ?? null),
    scope: scopeOf({
      options,
      id,
      table,
      shape,
      holder: source,
      since: window.since,
      peers: peersOf(options, source),
      hasRelayed: change?.hasRelayed ?? false,
    }),
  };
};

const localChanges = (options: PlanOptions, target: CatalogTable, own: OwnChanges): LocalChanges => {
  const change = own.changes.get(target.id);
  return {
    scope: scopeOf({
      options,
      id: target.id,
      table: target.table,
      shape: target.shape ?? 0,
      holder: own.source,
      since: unknownSince(own.source, own.peers),
      peers: own.peers,
      hasRelayed: true,
    }),
    truncation: change?.truncation ?? null,
  };
};

const scopeOf = (input: {
  readonly options: PlanOptions;
  readonly id: RelationId;
  readonly table: Table;
  readonly shape: number;
  readonly holder: OpenSource;
  readonly since: string;
  readonly peers: readonly Peer[];
  readonly hasRelayed: boolean;
}): EntryScope => {
  const { options, id, table, shape, holder, since, peers, hasRelayed } = input;
  if (table.key === null) throw new Error(`${table.relation.name} has no key`);
  return {
    schema: options.schema,
    sync: options.sync.id,
    holder: holder.database.id,
    table: id,
    shape,
    key: table.key,
    since,
    peers,
    hasRelayed,
  };
};

const tableOf = (source: OpenSource, id: RelationId): CatalogTable & { readonly shape: number } => {
  const table = source.catalog.tables.get(id);
  if (table === undefined || table.shape === null)
    throw new Error(`relation ${id} is not captured on ${source.database.name}`);
  return { ...table, shape: table.shape };
};

/**
 * Every source that is present has been read up to its snapshot. A database that was replaced by a copy knows of the other
 * sources what the copied one knew.
 */
const nextPositions = (
  options: PlanOptions,
  { heir }: { readonly heir: SourceChanges | null },
): Position[] => {
  const { sync, positions, sources } = options;
  return positions.map((position) => {
    const inherited =
      heir === null || heir.source.database.id === position.source
        ? null
        : inheritedPosition(options, heir, position);
    if (inherited !== null) return inherited;
    const source = sources.find(({ database }) => database.id === position.source);
    if (source === undefined) return position;
    const { systemIdentifier, timeline, databaseOid, incarnation } = source.lineage;
    return {
      source: position.source,
      seq: position.seq + 1n,
      snapshot: source.opening.snapshot,
      lineage: { systemIdentifier, timeline, databaseOid, incarnation },
      copyGeneration: sync.copyGeneration,
    };
  });
};

const inheritedPosition = ({ sync }: PlanOptions, { source }: SourceChanges, own: Position): Position => {
  const known = source.opening.positions.find((position) => position.source === own.source);
  if (known !== undefined && known.copyGeneration === sync.copyGeneration)
    return { ...known, seq: own.seq + 1n };
  throw new ReplicationError('given_way', {
    message: `The copy of ${source.database.name} waits until ${source.database.name} itself has begun anew.`,
    facts: { source: source.database.name },
  });
};
