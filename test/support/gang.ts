/** The databases of one sync without a daemon: rounds run when the test says so. */
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import {
  type DatabaseId,
  type Filter,
  operations,
  type RelationId,
  type RelationName,
  type Role,
  type SyncDefinition,
} from '../../src/model/topology.ts';
import { sql } from '../../src/pg/sql.ts';
import { passOn, type Reached } from '../../src/replication/fault-point.ts';
import { Rendezvous } from '../../src/replication/read/rendezvous.ts';
import { createCaretaker } from './caretaker.ts';
import { type Applications, createSite, relationOf, type SiteOptions, type TestServer } from './site.ts';
import { copiesOf, plainRelation, syncOf } from './sync-definition.ts';
import { createSyncRounds, membersOf, settleAll, type SyncRounds } from './sync-rounds.ts';

interface GangOptions extends SiteOptions {
  /** `{ A: 'source', B: 'target' }`, in the order of the sync. */
  readonly roles: Readonly<Record<string, Role>>;
  /** A name alone is one in the schema public. */
  readonly tables: readonly (string | RelationName)[];
  /** The index that the operator chose as the key of a table, by the table's name. */
  readonly keys?: Readonly<Record<string, string>>;
  readonly sequences?: readonly string[];
  /** What a relation is called on some of the databases: `{ items: { B: 'archive.things' } }`. */
  readonly customNames?: Readonly<Record<string, Readonly<Record<string, string | RelationName>>>>;
  /** In which columns rows go to some of the databases: `{ items: { B: 'id, upper(note) as note' } }`. */
  readonly customCols?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What goes to some of the databases: `{ items: { B: { where: 'id > 3' } } }`. */
  readonly filters?: Readonly<Record<string, Readonly<Record<string, Partial<Filter>>>>>;
  readonly options?: Partial<SyncDefinition>;
  /** See `SyncRounds`. */
  readonly keepsCatalogs?: boolean;
}

export interface Gang
  extends Applications,
    Pick<SyncRounds, 'round' | 'roundOf' | 'preview'>,
    AsyncDisposable {
  readonly sync: SyncDefinition;
  /** Rounds in every lane until all are empty. */
  settle(): Promise<void>;
  /** Settles, and checks that the tables hold equal rows everywhere. */
  expectEqual(): Promise<void>;
  conflicts(name: string): Promise<Record<string, string | null>[]>;
  /** As by `tahr update sync`: the sync changes, and is installed again. */
  update(changes: Partial<SyncDefinition>): Promise<void>;
  /** As a daemon that has not heard of a change yet: rounds go on with this sync, and nothing is installed. */
  pretend(sync: SyncDefinition): void;
  /** From now on this much time passes between the snapshots of a round and its first write. */
  delay(ms: number): void;
  /**
   * One round that writes the target and opens this source before the others, which it opens when what happens in between has happened.
   * @param between may run rounds too
   */
  roundThatOpens(first: string, target: string, between: () => Promise<void>): Promise<void>;
  /** From now on told of every hand-over of a round. */
  at(reached: Reached): void;
  /** From now on rounds that run at the same time may read together, as the lanes of a daemon do. */
  readTogether(): void;
  /** From now on the lease of the sync is somebody else's. */
  loseLease(): void;
  /** A pass of the daemon's maintenance, a while after the last one, when only these databases are there; all when left out. */
  maintain(...present: string[]): Promise<void>;
  /** As after a restart: with new connections, and nothing known of positions. */
  reconnect(): Promise<void>;
  /** With new connections, and nobody has noticed that the old ones broke. */
  reconnectUnnoticed(): Promise<void>;
  /** A database is to be found on another server from now on: as by `tahr update db`, and a restart. */
  move(name: string, server: TestServer, databaseName?: string): Promise<void>;
}

export const createGang = async (options: GangOptions): Promise<Gang> => {
  const names = Object.keys(options.roles);
  const site = await createSite(names, options);
  const { on, another, run, rows } = site;
  const relations = [
    ...options.tables.map((name) => ({ kind: 'table' as const, relation: relationOf(name) })),
    ...(options.sequences ?? []).map((name) => ({ kind: 'sequence' as const, relation: relationOf(name) })),
  ];
  const idOf = (name: string): DatabaseId => {
    const database = site.databases.get(name);
    if (database === undefined) throw new Error(`no database ${name}`);
    return database.id;
  };
  const definition = syncOf({
    members: membersOf(site.databases, options.roles),
    relations: relations.map(({ kind, relation }, index) => ({
      ...plainRelation,
      id: (index + 1) as RelationId,
      kind,
      relation,
      customNames: Object.entries(options.customNames?.[relation.name] ?? {}).map(([name, custom]) => ({
        database: idOf(name),
        relation: relationOf(custom),
      })),
      customCols: Object.entries(options.customCols?.[relation.name] ?? {}).map(([name, list]) => ({
        database: idOf(name),
        list,
      })),
      filters: Object.entries(options.filters?.[relation.name] ?? {}).map(([name, filter]) => ({
        database: idOf(name),
        where: null,
        operations,
        ...filter,
      })),
      keyIndex: options.keys?.[relation.name] ?? null,
    })),
    ...options.options,
  });
  const rounds = createSyncRounds(site, definition, randomUUID());
  rounds.keepsCatalogs = options.keepsCatalogs ?? false;
  await rounds.install();
  const settle = (): Promise<void> => settleAll([rounds]);
  const caretaker = createCaretaker(site);
  return {
    get sync() {
      return rounds.sync;
    },
    on,
    another,
    run,
    rows,
    round: rounds.round,
    roundOf: rounds.roundOf,
    preview: rounds.preview,
    settle,
    async expectEqual() {
      await settle();
      for (const table of options.tables) await expectEqualRows(site, names, table);
    },
    conflicts: async (name) => [...(await on(name).query(sql`select * from tahr.conflict order by key`))],
    async update(changes) {
      const { copies } = rounds.sync;
      const asked = changes.onetimecopy === undefined ? copies : copiesOf(changes);
      rounds.sync = { ...rounds.sync, copies: asked, ...changes };
      await rounds.install();
    },
    pretend(other) {
      rounds.sync = other;
    },
    delay(ms) {
      rounds.delayMs = ms;
    },
    async roundThatOpens(first, target, between) {
      const { promise: others, resolve: letOthers } = Promise.withResolvers<void>();
      const { id } = site.databases.get(first) ?? {};
      rounds.opening = (database) => (database === id ? Promise.resolve() : others);
      rounds.reached = async (point, database) => {
        if (point !== 'source_opened' || database.id !== id) return;
        rounds.reached = passOn;
        rounds.opening = async () => undefined;
        await between();
        letOthers();
      };
      const outcomes = await rounds.round(target);
      expect(outcomes).toMatchObject({ [target]: { kind: 'good' } });
    },
    at(reached) {
      rounds.reached = reached;
    },
    readTogether() {
      rounds.readingPlace = new Rendezvous(() => performance.now());
    },
    loseLease() {
      rounds.mayWrite = () => false;
    },
    maintain: (...present) => caretaker.run([rounds.sync], present.length === 0 ? names : present),
    async reconnect() {
      rounds.forget();
      await site.reconnect();
    },
    reconnectUnnoticed: () => site.reconnect(),
    async move(name, server, databaseName) {
      rounds.forget();
      await site.move(name, server, databaseName);
      rounds.sync = { ...rounds.sync, members: membersOf(site.databases, options.roles) };
    },
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
};

export const expectEqualRows = async (
  { rows }: Applications,
  [first = '', ...others]: readonly string[],
  table: string | RelationName,
): Promise<void> => {
  const expected = await rows(first, table);
  for (const other of others)
    expect(await rows(other, table), `${relationOf(table).name} on ${other} and ${first}`).toEqual(expected);
};
