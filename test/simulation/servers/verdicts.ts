/**
 * Conflict records against the history: are the versions in them real, do they know nothing of each other, and is the winner the one that
 * the strategy prefers. The strategies are computed here anew from what was recorded, by nothing of the engine.
 */
import type { Database, SyncDefinition, SyncRelation } from '../../../src/model/topology.ts';
import type { Change, History, Truncation } from './history.ts';
import type { Chronicle, ConflictRecord, Image, RecordedVersion } from './witness.ts';

/** A version of a record with what it stands for. */
interface Traced {
  readonly version: RecordedVersion;
  /** Null: nothing that anybody has committed. */
  readonly made: Change | Truncation | null;
}

/** What the sync of a record is, as the checker needs it. */
export interface RecordedSync {
  readonly names: ReadonlyMap<number, string>;
  /** As they were, the latest last. */
  readonly eras: readonly Era[];
  readonly tables: ReadonlyMap<number, string>;
}

/** A time in which a sync had the same sources. */
export interface Era {
  /** Microseconds since 1970. */
  readonly since: bigint;
  /** In the order of the sync. */
  readonly sources: readonly string[];
}

export interface TracedRecord {
  readonly database: string;
  readonly record: ConflictRecord;
  readonly sync: RecordedSync;
  readonly table: string;
  readonly key: string;
  readonly versions: readonly Traced[];
}

export interface Ground {
  readonly history: History;
  readonly keyColumns: ReadonlyMap<string, readonly string[]>;
  readonly syncs: ReadonlyMap<string, RecordedSync>;
  /** Several syncs: a version is called by the database that another sync brought it to. */
  readonly isPassedOn: boolean;
}

export const tablesOf = (relations: readonly SyncRelation[]): Map<number, string> =>
  new Map(relations.map(({ id, relation }) => [id, relation.name]));

export const namesOf = (databases: Iterable<Pick<Database, 'id' | 'name'>>): Map<number, string> =>
  new Map([...databases].map(({ id, name }) => [id, name]));

/** @param since microseconds since 1970 */
export const eraOf = ({ members }: Pick<SyncDefinition, 'members'>, since: bigint): Era => ({
  since,
  sources: members.flatMap(({ role, database }) => (role === 'source' ? [database.name] : [])),
});

export const traceRecords = (chronicles: readonly Chronicle[], ground: Ground): TracedRecord[] =>
  chronicles.flatMap(({ database, records }) =>
    records.map((record) => {
      const sync = ground.syncs.get(record.sync);
      if (sync === undefined) throw new Error(`a conflict of the unknown sync ${record.sync}`);
      const table = sync.tables.get(record.table) ?? '';
      const columns = ground.keyColumns.get(table) ?? [];
      const image = record.versions.find((version) => version.image !== null)?.image ?? null;
      const key = image === null ? '' : keyOf(image, columns);
      const versions = record.versions.map((version) => ({
        version,
        made: made(version, { table, key, sync, ground }),
      }));
      return { database, record, sync, table, key, versions };
    }),
  );

/** As the witness writes it. */
const keyOf = (image: Image, columns: readonly string[]): string =>
  `[${columns.map((column) => JSON.stringify(image[column] ?? null)).join(', ')}]`;

interface Where {
  readonly table: string;
  readonly key: string;
  readonly sync: RecordedSync;
  readonly ground: Ground;
}

const made = (version: RecordedVersion, where: Where): Change | Truncation | null => {
  const { history, isPassedOn } = where.ground;
  const database = where.sync.names.get(version.origin) ?? '';
  const isMaker = (one: Change | Truncation): boolean =>
    one.at === version.at && (isPassedOn || (one.database === database && one.xid === version.xid));
  if (version.image !== null) {
    const change = history.withToken(version.image['token'] ?? '');
    return change !== undefined &&
      isSameRow(change, where) &&
      isMaker(change) &&
      isSameImage(change.image, version.image)
      ? change
      : null;
  }
  const deletion = history
    .rowOf(where.table, where.key)
    ?.changes.find((change) => change.after === null && isMaker(change));
  return deletion ?? history.truncations.find((one) => one.table === where.table && isMaker(one)) ?? null;
};

const isSameRow = (change: Change, { table, key }: Where): boolean =>
  change.table === table && change.key === key;

const isSameImage = (one: Image | null, other: Image): boolean =>
  one !== null &&
  Object.keys(one).length === Object.keys(other).length &&
  Object.entries(one).every(([column, value]) => other[column] === value);

export const isChange = (made: Change | Truncation | null): made is Change => made !== null && 'key' in made;

/** Strategies that choose by what can be computed again from a record alone. */
export const isFixed = (strategy: string): boolean => !strategy.startsWith('bucardo_latest_');

/** What is wrong with a record; in plain words. */
export const findingsOf = (traced: TracedRecord, ground: Ground, mayGoBack: boolean): string[] => {
  const { record, versions, table, key, database } = traced;
  const where = `${table} ${key}: the conflict ${record.id} on ${database}`;
  const unreal = versions.filter(({ made: what }) => what === null);
  const related = mayGoBack ? [] : relatedPairs(versions, ground.history);
  return [
    ...unreal.map(({ version }) => `${where} has a version that nobody has made: ${textOf(version, traced)}`),
    ...related.map(([one, other]) => `${where} is none: ${one} was made from ${other}`),
    ...wrongWinner(traced).map((text) => `${where} ${text}`),
    ...(record.kind === kindOf(record) ? [] : [`${where} is of kind ${record.kind}, not ${kindOf(record)}`]),
  ];
};

const textOf = ({ origin, xid, at, image }: RecordedVersion, { sync }: TracedRecord): string =>
  `${sync.names.get(origin) ?? origin} ${xid} at ${at}, ${image === null ? 'no row' : JSON.stringify(image)}`;

const kindOf = ({ versions }: ConflictRecord): string => {
  if (versions.every(({ image }) => image !== null)) return 'update_origin_differs';
  return versions.some(({ won, image }) => won && image === null)
    ? 'delete_origin_differs'
    : 'update_deleted';
};

/** One of them replaced the other, or something that was made from it. */
const relatedPairs = (versions: readonly Traced[], history: History): [string, string][] => {
  const changes = versions.flatMap(({ made: what }) => (isChange(what) ? [what] : []));
  return changes.flatMap((one) =>
    changes.flatMap((other): [string, string][] =>
      one !== other && isMadeFrom(history, one, other) ? [[nameOf(one), nameOf(other)]] : [],
    ),
  );
};

export const nameOf = ({ database, xid, after, at }: Change): string =>
  `${after ?? 'deletion'} by ${database} ${xid} at ${at}`;

const isMadeFrom = (history: History, change: Change, ancestor: Change): boolean => {
  for (let one: Change | undefined = change; one?.before != null; ) {
    if (one.before === ancestor.after) return true;
    one = history.withToken(one.before);
  }
  return false;
};

const wrongWinner = ({ record, sync }: TracedRecord): string[] => {
  const won = record.versions.filter((version) => version.won);
  if (record.strategy === 'bucardo_skip')
    return record.winner === null && won.length === 0
      ? []
      : ['has a winner, though the strategy chooses none'];
  const [winner, ...others] = won;
  if (winner === undefined || others.length > 0) return [`has ${won.length} winners`];
  if (record.winner !== winner.origin) return ['names another winner than its version that won'];
  if (!isFixed(record.strategy) || record.strategy === 'bucardo_random') return [];
  const prefers = preferenceOf(record, sync);
  const better = record.versions.find((version) => version !== winner && prefers(version, winner));
  if (better === undefined) return [];
  const name = (version: RecordedVersion): string => sync.names.get(version.origin) ?? '';
  return [`was won by ${name(winner)}, but ${record.strategy} prefers ${name(better)}`];
};

const preferenceOf = (
  { strategy, decidedAt }: ConflictRecord,
  { names, eras }: RecordedSync,
): ((one: RecordedVersion, other: RecordedVersion) => boolean) => {
  const era = eras.findLast(({ since }) => since <= decidedAt);
  const order = orderOf(strategy, era?.sources ?? []);
  const nameOfOrigin = ({ origin }: RecordedVersion): string => names.get(origin) ?? '';
  const place = (version: RecordedVersion): number => {
    const index = order.indexOf(nameOfOrigin(version));
    return index < 0 ? order.length : index;
  };
  return (one, other) => {
    if (place(one) !== place(other)) return place(one) < place(other);
    if (one.at !== other.at) return one.at > other.at;
    return nameOfOrigin(one) < nameOfOrigin(other);
  };
};

const orderOf = (strategy: string, sources: readonly string[]): readonly string[] => {
  if (strategy === 'bucardo_latest') return [];
  if (strategy === 'bucardo_source') return sources;
  if (strategy === 'bucardo_target') return sources.toReversed();
  return strategy.split(' ');
};
