/** Several syncs over the same databases without a daemon: rounds run when the test says so. */
import { randomUUID } from 'node:crypto';
import { type RelationId, type Role, type SyncDefinition, type SyncName } from '../../src/model/topology.ts';
import { type Sql, sql } from '../../src/pg/sql.ts';
import { segmentTables } from '../../src/connectors/postgres/delta.ts';
import { expectEqualRows } from './gang.ts';
import { type Applications, createSite, relationOf, type Site, type SiteOptions } from './site.ts';
import { plainRelation, syncOf } from './sync-definition.ts';
import { createSyncRounds, membersOf, settleAll, type SyncRounds } from './sync-rounds.ts';

interface NetworkOptions extends SiteOptions {
  readonly databases: readonly string[];
  /** The databases that have it on. */
  readonly makedelta: readonly string[];
  /** In the schema public. Every sync has all of them. */
  readonly tables: readonly string[];
  /** The tables for which it is said, whatever the database says. */
  readonly tableMakedelta?: Readonly<Record<string, boolean>>;
  /** By name, with its databases in order. They are installed, and run their rounds, in this order. */
  readonly syncs: Readonly<Record<string, Readonly<Record<string, Role>>>>;
  readonly options?: Partial<SyncDefinition>;
}

/** A delta as another sync finds it on a database. */
interface NotedDelta {
  /** The numbers of the databases by which it has come; null where an application of this database made the change. */
  readonly path: string | null;
  readonly cascades: string | null;
  readonly at: string;
}

export interface Network extends Applications, AsyncDisposable {
  sync(name: string): SyncRounds;
  /** Rounds of every sync until all are empty. */
  settle(): Promise<void>;
  /** Settles, and checks that the tables hold equal rows everywhere. */
  expectEqual(): Promise<void>;
  /** All deltas of a table on a database, in their order; truncations are among them. */
  deltas(name: string, table: string): Promise<NotedDelta[]>;
  /** A sync over the databases that there are already. */
  readonly add: (
    name: string,
    roles: Readonly<Record<string, Role>>,
    options?: Partial<SyncDefinition>,
  ) => Promise<SyncRounds>;
}

export const createNetwork = async (options: NetworkOptions): Promise<Network> => {
  const site = await createSite(options.databases, options, options.makedelta);
  const { on, another, run, rows } = site;
  const installation = randomUUID();
  const syncs = new Map<string, SyncRounds>();
  const relations = options.tables.map((name, index) => ({
    ...plainRelation,
    id: (index + 1) as RelationId,
    relation: relationOf(name),
    makedelta: options.tableMakedelta?.[name] ?? null,
  }));
  const add: Network['add'] = async (name, roles, settings = {}) => {
    const members = membersOf(site.databases, roles);
    const definition = syncOf({
      name: name as SyncName,
      members,
      relations,
      ...options.options,
      ...settings,
    });
    const rounds = createSyncRounds(site, definition, installation);
    await rounds.install();
    syncs.set(name, rounds);
    return rounds;
  };
  for (const [name, roles] of Object.entries(options.syncs)) await add(name, roles);
  const settle = (): Promise<void> => settleAll([...syncs.values()]);
  return {
    on,
    another,
    run,
    rows,
    sync: (name) => syncs.get(name) as SyncRounds,
    settle,
    add,
    async expectEqual() {
      await settle();
      for (const table of options.tables) await expectEqualRows(site, options.databases, table);
    },
    deltas: async (name, table) => readDeltas(site, name, options.tables.indexOf(table) + 1),
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
};

const readDeltas = async ({ on }: Site, name: string, table: number): Promise<NotedDelta[]> => {
  const shapes = await on(name).query(sql`select id from tahr.shape`);
  const segments = shapes.flatMap(({ id }) => segmentTables('tahr', Number(id)));
  const parts = segments.map(
    (segment): Sql => sql`
      select seq, (relay).path::text as path, (relay).cascades::text as cascades, at::text as at
        from ${segment} where tbl = ${table}::integer`,
  );
  const found = await on(name).query(sql`
    select path, cascades, at from (${sql.join(parts, ' union all ')}) d order by seq`);
  return found.map(({ path = null, cascades = null, at }) => ({ path, cascades, at: at ?? '' }));
};
