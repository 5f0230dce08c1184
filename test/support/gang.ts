/** The databases of a sync without a daemon: rounds run when the test says so. */
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type {
  Database,
  DatabaseId,
  DatabaseName,
  Member,
  RelationId,
  RelationName,
  Role,
  SyncDefinition,
  SyncId,
  SyncName,
} from '../../src/model/topology.ts';
import { connect } from '../../src/pg/conninfo.ts';
import { createPool, type Pool } from '../../src/pg/pool.ts';
import type { Session } from '../../src/pg/session.ts';
import { sql } from '../../src/pg/sql.ts';
import { readCatalog } from '../../src/replication/read/catalog.ts';
import { type DatabaseOutcome, emptyMemory, runRound } from '../../src/replication/round.ts';
import { installSync } from '../../src/setup/install.ts';
import { createDatabase, databaseOn, type TestDatabase } from './databases.ts';

interface GangOptions {
  /** `{ A: 'source', B: 'target' }`, in the order of the sync. */
  readonly roles: Readonly<Record<string, Role>>;
  /** Run on every database before the sync is installed. */
  readonly schema: string;
  /** Run on one database before the sync is installed. */
  readonly seed?: Readonly<Record<string, string>>;
  /** Who Tahr connects as, and what gives this role its privileges on a database; the superuser when left out. */
  readonly role?: { readonly name: string; readonly grants: (name: string, database: string) => string };
  /** For what `schema` cannot say: loads a dump. */
  readonly prepare?: (session: Session) => Promise<void>;
  /** A name alone is one in the schema public. */
  readonly tables: readonly (string | RelationName)[];
  /** The index that the operator chose as the key of a table, by the table's name. */
  readonly keys?: Readonly<Record<string, string>>;
  readonly sequences?: readonly string[];
  readonly options?: Partial<SyncDefinition>;
  /** A server of its own; the shared one when left out. */
  readonly server?: TestServer;
  /** A server of its own for a database, by the database's name. */
  readonly servers?: Readonly<Record<string, TestServer>>;
}

interface TestServer {
  readonly parameters: Database['parameters'];
}

export interface Gang extends AsyncDisposable {
  readonly sync: SyncDefinition;
  /** A session of the application on a database. */
  on(name: string): Session;
  run(name: string, statements: string): Promise<void>;
  /** One round that writes these databases (all of the gang's sources when left out). */
  round(...written: string[]): Promise<Record<string, DatabaseOutcome>>;
  /** Rounds in every lane until all are empty. */
  settle(): Promise<void>;
  /** The rows of a table, as text. */
  rows(name: string, table: string | RelationName): Promise<string[]>;
  /** Settles, and checks that the tables hold equal rows everywhere. */
  expectEqual(): Promise<void>;
  conflicts(name: string): Promise<Record<string, string | null>[]>;
  /** As by `tahr update sync`: the sync changes, and is installed again. */
  update(changes: Partial<SyncDefinition>): Promise<void>;
  /** As after a restart: with new connections, and nothing known of positions. */
  reconnect(): Promise<void>;
}

export const createGang = async (options: GangOptions): Promise<Gang> => {
  const stack = new AsyncDisposableStack();
  const databases = new Map<string, TestDatabase>();
  const sessions = new Map<string, Session>();
  const pools = new Map<DatabaseId, Pool>();
  for (const name of Object.keys(options.roles)) {
    const server = options.servers?.[name] ?? options.server;
    const database =
      server === undefined
        ? await createDatabase(name.toLowerCase())
        : await databaseOn(server, name.toLowerCase());
    databases.set(name, database);
    const session = await database.session('application');
    await session.script(sql`set search_path = public`, sql.verbatim(options.schema));
    await options.prepare?.(session);
    if (options.seed?.[name] !== undefined) await session.script(sql.verbatim(options.seed[name]));
    if (options.role !== undefined)
      await session.script(sql.verbatim(options.role.grants(name, database.name)));
    sessions.set(name, session);
  }
  const members = Object.entries(options.roles).map(
    ([name, role], index): Member => ({
      role,
      database: {
        id: (index + 1) as DatabaseId,
        name: name as DatabaseName,
        status: 'active',
        parameters: {
          ...databases.get(name)?.parameters,
          ...(options.role === undefined ? {} : { user: options.role.name }),
        },
        makedelta: false,
      },
    }),
  );
  const openPools = (): void => {
    for (const { database } of members)
      pools.set(database.id, createPool({ label: database.name, parameters: database.parameters }));
  };
  openPools();
  stack.defer(async () => {
    await Promise.all([...pools.values()].map((pool) => pool.close()));
  });
  const relations = [
    ...options.tables.map((name) => ({ kind: 'table' as const, relation: relationOf(name) })),
    ...(options.sequences ?? []).map((name) => ({ kind: 'sequence' as const, relation: relationOf(name) })),
  ];
  let sync: SyncDefinition = {
    id: randomUUID() as SyncId,
    name: 'test' as SyncName,
    status: 'active',
    isPaused: false,
    relgroup: 'test',
    dbgroup: 'test',
    members,
    relations: relations.map(({ kind, relation }, index) => ({
      id: (index + 1) as RelationId,
      kind,
      relation,
      keyIndex: options.keys?.[relation.name] ?? null,
      conflictStrategy: null,
      makedelta: null,
    })),
    conflictStrategy: 'bucardo_latest',
    autokick: true,
    checktimeMs: null,
    onetimecopy: 0,
    copyGeneration: 0,
    ...options.options,
  };
  const installation = randomUUID();
  const install = () =>
    installSync({
      definition: sync,
      installation,
      schema: 'tahr',
      connect: (database) => connect(database.parameters, { label: database.name, applicationName: 'setup' }),
      signal: new AbortController().signal,
    });
  await install();
  const schema = 'tahr';
  const oldestVersion = Math.min(...[...sessions.values()].map(({ serverVersion }) => serverVersion));
  const memory = emptyMemory();
  const sources = members.filter(({ role }) => role === 'source');
  const memberOf = (name: string): Member => {
    const member = members.find(({ database }) => database.name === name);
    if (member === undefined) throw new Error(`no database ${name}`);
    return member;
  };
  const borrow = (id: DatabaseId) => (pools.get(id) as Pool).acquire();
  const round = async (...written: string[]): Promise<Record<string, DatabaseOutcome>> => {
    const outcome = await runRound({
      sync,
      schema,
      sources,
      written: written.length === 0 ? sources : written.map(memberOf),
      borrow,
      catalogOf: async (id) => {
        await using lease = await borrow(id);
        const isSource = sources.some(({ database }) => database.id === id);
        return await readCatalog(lease.session, {
          schema,
          relations: sync.relations,
          oldestVersion,
          isSource,
        });
      },
      memory,
      onProgress: () => undefined,
    });
    return Object.fromEntries(
      [...outcome].map(([id, result]) => [
        members.find(({ database }) => database.id === id)?.database.name ?? '',
        result,
      ]),
    );
  };
  const lanes = [
    ...(sources.length > 1 ? [sources.map(({ database }) => database.name)] : []),
    ...members.filter(({ role }) => role === 'target').map(({ database }) => [database.name]),
  ];
  const settle = async (): Promise<void> => {
    for (let quiet = 0, rounds = 0; quiet < 2; rounds += 1) {
      if (rounds > 50) throw new Error('the rounds do not come to rest');
      let isQuiet = true;
      for (const lane of lanes)
        for (const result of Object.values(await round(...lane))) {
          if (result.kind === 'bad') throw result.error;
          isQuiet &&= result.kind === 'empty';
        }
      quiet = isQuiet ? quiet + 1 : 0;
    }
  };
  const rows = async (name: string, table: string | RelationName): Promise<string[]> => {
    const relation = relationOf(table);
    const found = await sessions
      .get(name)
      ?.query(sql`select t::text as row from ${sql.id(relation.schema, relation.name)} t order by 1`);
    return (found ?? []).map(({ row }) => row ?? '');
  };
  return {
    get sync() {
      return sync;
    },
    on: (name) => sessions.get(name) as Session,
    run: async (name, statements) => {
      await sessions.get(name)?.script(sql.verbatim(statements));
    },
    round,
    settle,
    rows,
    async expectEqual() {
      await settle();
      const [first = '', ...others] = Object.keys(options.roles);
      for (const table of options.tables)
        for (const other of others)
          expect(await rows(other, table), `${relationOf(table).name} on ${other} and ${first}`).toEqual(
            await rows(first, table),
          );
    },
    conflicts: async (name) => [
      ...((await sessions.get(name)?.query(sql`select * from tahr.conflict order by key`)) ?? []),
    ],
    async update(changes) {
      sync = { ...sync, ...changes };
      await install();
    },
    async reconnect() {
      memory.positions.clear();
      memory.sequences.clear();
      await Promise.all([...pools.values()].map((pool) => pool.close()));
      openPools();
      for (const [name, session] of sessions) {
        if (session.isUsable) continue;
        const renewed = await (databases.get(name) as TestDatabase).session('application');
        await renewed.script(sql`set search_path = public`);
        sessions.set(name, renewed);
      }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
};

const relationOf = (table: string | RelationName): RelationName =>
  typeof table === 'string' ? { schema: 'public', name: table } : table;
