/**
 * Reading a source: one REPEATABLE READ, READ ONLY transaction per round, whose snapshot is the next position.
 *
 * - Everything of a round is read in that snapshot: positions, keys, rows.
 * - `finish` must have succeeded before any database commits what was read: no table was rewritten under the
 *   snapshot (engine rule §3), and the source cannot lose what it showed (§1).
 */
import { isDeepStrictEqual } from 'node:util';
import { ReplicationError } from '../../model/errors.ts';
import {
  type DatabaseId,
  formatRelation,
  type RelationId,
  type RelationName,
  type SyncId,
} from '../../model/topology.ts';
import { type Request, say } from '../../pg/request.ts';
import type { RowsOut } from '../../pg/pipeline.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { decodeFloors, decodeReleased, selectFloors } from './consumer.ts';
import { type BaseVersion, copyVersion, knowersOfBase, outlasts, pathFrom } from './base-version.ts';
import { changesIn, type SourceTable, type TableChanges, type Window } from './changes.ts';
import { changedKeys, type EntryScope, heldVersions } from './entries.ts';
import { decodeDefinitions, selectDefinitions } from './fingerprint.ts';
import { anyWay, onlyByIndex } from './by-index.ts';
import { chooseFinding, type Finding, finding, isMany, statisticsOf } from './finding-rows.ts';
import { prepareLocking } from './lock-settings.ts';
import { decodePosition, type Position, selectPositions, type Snapshot } from './position.ts';
import { readSequences, type SequenceValue } from './sequences.ts';
import { selectState } from './merge-state.ts';
import type { StagePlan } from './stage.ts';
import { decodeAhead, selectAhead } from './true-time.ts';
import { deltaColumn, isThere, keyMatches, rowsOf, type Table, type TableKey } from './table.ts';

export interface Opening {
  readonly snapshot: Snapshot;
  /** Where the log stood after the snapshot was taken: what must be flushed before anything commits elsewhere. */
  readonly lsn: string;
  /** This database's own positions in the sync, in the same snapshot. */
  readonly positions: readonly Position[];
  /** Of the source in this snapshot: it rises while connections stay open. */
  readonly incarnation: bigint;
  /** By how much the clock is ahead, as changes are corrected now; in milliseconds. */
  readonly clockAheadMs: number;
  /** What can no longer be read, by the database that reads; one that is not registered here is missing. */
  readonly floors: ReadonlyMap<DatabaseId, readonly Snapshot[]>;
  /** The databases for which nothing is kept any more. */
  readonly released: ReadonlySet<DatabaseId>;
}

type Changes = ReadonlyMap<RelationId, TableChanges>;

/** Where to look for changes. */
export interface Look {
  readonly tables: readonly SourceTable[];
  readonly window: Window;
}

/** What one database gets of one table. */
export interface RowRequest {
  readonly scope: EntryScope;
  readonly source: Table;
  readonly plan: StagePlan;
  /** Null: the changed rows. Else the whole table, as of this version where nothing newer is known of a row. */
  readonly base: BaseVersion | null;
  /** How many deltas there are of it, at most. */
  readonly deltaCount: number;
}

/** `staged`: in the columns of the stage. `bare`: the rows that are there in the table's own columns, for an empty table. */
export type RowForm = 'staged' | 'bare';

/** What is read from a source once it is open. */
export type RowReader = Pick<PostgresReader, 'label' | 'changes' | 'sequences' | 'send' | 'sendFew'>;

export class PostgresReader {
  readonly #session: Session;
  readonly #schema: string;
  /** When all rows asked for have been read; and when those of `send` have. */
  #idle: Promise<unknown> = Promise.resolve();
  #turn: Promise<unknown> = Promise.resolve();
  #known: { readonly look: Look; readonly changes: Changes } | null = null;

  constructor(session: Session, schema: string) {
    this.#session = session;
    this.#schema = schema;
  }

  /** The name of the database, for messages. */
  get label(): string {
    return this.#session.label;
  }

  /**
   * Takes the snapshot.
   * @param look what will be asked for, as far as can be foreseen: it comes with the same message
   */
  async begin(sync: SyncId, look: Look | null = null): Promise<Opening> {
    await prepareLocking(this.#session);
    const [, opening, foreseen] = await this.#session.ask(
      say(sql`begin isolation level repeatable read read only`, onlyByIndex),
      openingOf(this.#schema, sync),
      look === null ? nothingYet : changesIn(this.#schema, look.tables, look.window),
    );
    this.#known = look === null || foreseen === null ? null : { look, changes: foreseen };
    return opening;
  }

  /** Which of the tables have changes in the window. */
  async changes(tables: readonly SourceTable[], window: Window): Promise<Changes> {
    if (tables.length === 0) return new Map();
    const look = { tables, window };
    if (this.#known !== null && isSameLook(this.#known, look)) return this.#known.changes;
    const asked = this.#idle.then(() => this.#session.ask(changesIn(this.#schema, tables, window)));
    this.#turn = asked.catch(() => undefined);
    this.#idle = this.#turn;
    const [changes] = await asked;
    this.#known = { look, changes };
    return changes;
  }

  /**
   * Sends rows as binary COPY data. One request at a time, for a session does one thing at a time, and several databases may be filled
   * from here at once.
   * @param take gets what opens the stream, and reads it to its end
   */
  async send<T>(request: RowRequest, form: RowForm, take: (rows: () => RowsOut) => Promise<T>): Promise<T> {
    const select = selectRows(request, form);
    const turn = this.#idle.then(async () => {
      const copy = finding(
        await this.#findingFor(request),
        sql`copy (${select}) to stdout with (format binary)`,
      );
      return take(() => this.#session.copyOut(copy));
    });
    this.#turn = turn.catch(() => undefined);
    this.#idle = this.#turn;
    return turn;
  }

  /** As `send`, where there are few rows: those of several tables are asked for at once, and each reader gets its own. */
  async sendFew<T>(request: RowRequest, take: (rows: RowsOut) => Promise<T>): Promise<T> {
    const copy = sql`copy (${selectRows(request, 'staged')}) to stdout with (format binary)`;
    const taken = this.#turn.then(() => take(this.#session.copyOut(copy)));
    this.#idle = Promise.allSettled([this.#idle, taken]);
    return taken;
  }

  async #findingFor({ base, deltaCount, source, scope }: RowRequest): Promise<Finding> {
    if (base !== null || !isMany(deltaCount)) return 'lookups';
    const [statistics] = await this.#session.ask(statisticsOf(source, scope.key));
    return chooseFinding(deltaCount, statistics);
  }

  /**
   * Ends the transaction, if all that was read can be relied on: the tables are still defined as they are given, none
   * was rewritten, and the log is flushed up to `lsn`.
   * @throws ReplicationError `table_altered`
   */
  async finish(tablesRead: readonly Table[], lsn: string): Promise<void> {
    const flushed = sql`select pg_catalog.pg_current_wal_flush_lsn() >= ${lsn}::pg_lsn as flushed`.planned();
    const [, seen, moved, flush] = await this.#session.script(
      onlyByIndex,
      selectDefinitions(tablesRead).planned(),
      selectRewritten(tablesRead).planned(),
      flushed,
      sql`commit`,
    );
    const definitions = decodeDefinitions(seen ?? []);
    const altered = tablesRead.find(
      ({ oid, fingerprint }) =>
        definitions.get(oid) !== fingerprint || moved?.some((row) => row['oid'] === oid),
    );
    if (altered !== undefined) throw tableAltered(altered);
    if (flush?.[0]?.['flushed'] !== 't') await this.#flush();
  }

  async abandon(): Promise<void> {
    if (this.#session.isUsable) await this.#session.script(sql`rollback`);
  }

  /** Current value and whether it has been used; sequences are outside of every snapshot. */
  async sequences(names: readonly RelationName[]): Promise<SequenceValue[]> {
    return readSequences(this.#session, names);
  }

  /** A commit record that has to be flushed takes everything before it along; an xid alone would not. */
  async #flush(): Promise<void> {
    await this.#session.query(sql`select pg_catalog.pg_logical_emit_message(true, 'tahr', '')`);
  }
}

/** Who reads makes no difference to what has come from nobody else. */
const isSameLook = (
  { look, changes }: { readonly look: Look; readonly changes: Changes },
  other: Look,
): boolean => {
  const hasRelays = [...changes.values()].some((found) => found.hasRelays || found.truncation !== null);
  const exceptBy = hasRelays ? look.window.exceptBy : other.window.exceptBy;
  return look.tables === other.tables && isDeepStrictEqual({ ...look.window, exceptBy }, other.window);
};

/** The query for rows that are asked for. */
export const selectRows = (request: RowRequest, form: RowForm): Sql => {
  if (form === 'bare') return selectBareRows(request);
  return request.base === null ? selectChangedRows(request) : selectWholeTable(request, request.base);
};

const selectBareRows = ({ scope, source, plan, base }: RowRequest): Sql => {
  const columns = sql.join(plan.columns.map(({ read }) => read));
  if (base !== null) return sql`select ${columns} from ${rowsOf(source, plan.where)} t`;
  return sql`
    select ${columns}
      from (${keysOf(scope, plan)}) d
      join ${rowsOf(source, plan.where)} t on ${keyMatches(scope.key, sql`t`, sql`d`)}`;
};

const keysOf = (scope: EntryScope, plan: StagePlan): Sql =>
  plan.hasVersions ? heldVersions(scope, 'sent') : changedKeys(scope);

const selectChangedRows = ({ scope, source, plan }: RowRequest): Sql => {
  const key = scope.key;
  const version = plan.hasVersions
    ? sql`${scope.holder}::integer, d.origin, d.oxid, d.at, d.path, d.is_open, d.knows,`
    : sql.empty;
  return sql`
    select ${version} ${sql.join(stagedKeys(key, plan).map(({ noted }) => noted))}, ${isThere(sql`t`)} as present ${rowColumns(scope, plan)}
      from (${keysOf(scope, plan)}) d
      left join ${rowsOf(source, plan.where)} t on ${keyMatches(key, sql`t`, sql`d`)}`;
};

/**
 * Keys that were changed and are gone are sent too: their versions count against other sources' changes. A row that is there is
 * never in the version of a truncation, also where that came here after it: it has stayed against the truncation. Where no reader has
 * anything to learn of it (there is no delta), it is sent so that it stays, in the version that everybody knows.
 */
const selectWholeTable = ({ scope, source, plan }: RowRequest, base: BaseVersion): Sql => {
  const key = scope.key;
  const staged = stagedKeys(key, plan);
  if (!plan.hasVersions)
    return sql`select ${sql.join(staged.map(({ current }) => current))}, true as present ${rowColumns(scope, plan)} from ${rowsOf(source, plan.where)} t`;
  const keys = staged.map(({ current, noted }) => sql`coalesce(${current}, ${noted})`);
  const isOfRow = outlasts(base, { seq: sql`d.seq`, at: sql`d.at` });
  const isNewer = sql`(d.seq is not null and (${isOfRow} or ${isThere(sql`t`)}))`;
  const [gone, unchanged] = [versionOf(scope, base), versionOf(scope, copyVersion)];
  const columns = versionColumns.map(
    (column) => sql`
           case when ${isNewer} then d.${sql.id(column)} when ${isThere(sql`t`)} then ${unchanged[column]} else ${gone[column]} end`,
  );
  return sql`
    select ${scope.holder}::integer, ${sql.join(columns)}, ${sql.join(keys)}, ${isThere(sql`t`)} as present ${rowColumns(scope, plan)}
      from ${rowsOf(source, plan.where)} t
      full join (${heldVersions(scope, 'all')}) d on ${keyMatches(key, sql`t`, sql`d`)}`;
};

const versionColumns = ['origin', 'oxid', 'at', 'path', 'is_open', 'knows'] as const;

const versionOf = (scope: EntryScope, base: BaseVersion): Record<(typeof versionColumns)[number], Sql> => ({
  origin: sql`${base.origin ?? scope.holder}::integer`,
  oxid: sql`${base.xid}::xid8`,
  at: sql`${base.at}::timestamptz`,
  path: sql`${pathFrom(scope.holder, base)}::integer[]`,
  is_open: sql`false`,
  knows: knowersOfBase(scope, base),
});

/** The columns of the key in the order of the stage, as the delta `d` noted them and as the row `t` has them. */
const stagedKeys = (key: TableKey, plan: StagePlan): { readonly noted: Sql; readonly current: Sql }[] =>
  plan.key.columns.map(({ name }) => {
    const index = key.columns.findIndex((column) => column.name === name);
    return {
      noted: sql`d.${deltaColumn(index)}`,
      current: sql`t.${sql.id(name)}::${sql.verbatim(key.columns[index]?.deltaType ?? '')}`,
    };
  });

const rowColumns = ({ schema, table, key }: EntryScope, plan: StagePlan): Sql =>
  sql.join(
    [
      ...(plan.merge === null ? [] : [selectState(schema, table, key)]),
      ...plan.columns.map(({ read }) => read),
    ].map((column) => sql`, ${column}`),
    '',
  );

const nothingYet: Request<Changes | null> = { statements: [anyWay], read: () => null };

const openingOf = (schema: string, sync: SyncId): Request<Opening> => ({
  statements: [
    sql`select pg_catalog.pg_current_snapshot()::text as snapshot, pg_catalog.pg_current_wal_insert_lsn()::text as lsn`,
    selectPositions(schema, sync).planned(),
    selectFloors(schema, sync).planned(),
    sql`select incarnation from ${sql.id(schema, 'identity')}`.planned(),
    selectAhead(schema).planned(),
  ],
  read: ([snapshot, positions, floors, identity, clock]) => ({
    snapshot: snapshot?.rows[0]?.['snapshot'] ?? '',
    lsn: snapshot?.rows[0]?.['lsn'] ?? '',
    positions: (positions?.rows ?? []).map(decodePosition),
    floors: decodeFloors(floors?.rows ?? []),
    released: decodeReleased(floors?.rows ?? []),
    clockAheadMs: decodeAhead(clock?.rows[0]?.['ahead_ms']),
    incarnation: BigInt(identity?.rows[0]?.['incarnation'] ?? 0),
  }),
});

/** The tables whose file, or that of a partition, is another now than in the snapshot: TRUNCATE and most ALTER TABLE do that. */
const selectRewritten = (tables: readonly Table[]): Sql => {
  const oidsOf = (some: readonly Table[]): Sql => sql`unnest(${some.map(({ oid }) => oid)}::oid[])`;
  const partitioned = tables.filter(({ kind }) => kind === 'partitioned');
  const parts =
    partitioned.length === 0
      ? sql.empty
      : sql`union all select root, tree.relid from ${oidsOf(partitioned)} root, pg_catalog.pg_partition_tree(root) tree`;
  return sql`
  select distinct part.root as oid
    from (select root, root as relid from ${oidsOf(tables)} root ${parts}) part
    join pg_catalog.pg_class c on c.oid = part.relid
   where c.relfilenode <> coalesce(pg_catalog.pg_relation_filenode(c.oid), 0)`;
};

export const tableAltered = ({ relation }: Table): ReplicationError =>
  new ReplicationError('table_altered', {
    message: `Table ${formatRelation(relation)} was altered or rewritten; it is read again as it is now.`,
    facts: { table: formatRelation(relation) },
  });
