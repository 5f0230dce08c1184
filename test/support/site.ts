/** Fresh databases with a session of the application on each, and the pools that rounds borrow from. */
import type {
  ConnectionParameters,
  Database,
  DatabaseId,
  DatabaseName,
  RelationName,
} from '../../src/model/topology.ts';
import { createPool, type Loan, type Pool } from '../../src/pg/pool.ts';
import type { Session } from '../../src/pg/session.ts';
import { sql } from '../../src/pg/sql.ts';
import { createDatabase, databaseOn, existingDatabase, type TestDatabase } from './databases.ts';

export interface SiteOptions {
  /** Run on every database before a sync is installed. */
  readonly schema: string;
  /** Run on one database before a sync is installed. */
  readonly seed?: Readonly<Record<string, string>>;
  /** Who Tahr connects as, and what gives this role its privileges on a database; the superuser when left out. */
  readonly role?: { readonly name: string; readonly grants: (name: string, database: string) => string };
  /** What leads Tahr, and not the applications, to a database, by the database's name. */
  readonly ways?: Readonly<Record<string, ConnectionParameters>>;
  /** For what `schema` cannot say: loads a dump. */
  readonly prepare?: (session: Session) => Promise<void>;
  /** A server of its own; the shared one when left out. */
  readonly server?: TestServer;
  /** A server of its own for a database, by the database's name. */
  readonly servers?: Readonly<Record<string, TestServer>>;
}

export interface TestServer {
  readonly parameters: Database['parameters'];
}

/** What an application does on the databases. */
export interface Applications {
  /** A session of the application on a database. */
  readonly on: (name: string) => Session;
  /** Another session of the application there; it ends with the database. */
  readonly another: (name: string) => Promise<Session>;
  readonly run: (name: string, statements: string) => Promise<void>;
  /** The rows of a table, as text. */
  readonly rows: (name: string, table: string | RelationName) => Promise<string[]>;
}

export interface Site extends Applications, AsyncDisposable {
  /** By name, in the order in which they were named. */
  readonly databases: ReadonlyMap<string, Database>;
  /** The oldest server's, as `server_version_num`. */
  readonly oldestVersion: number;
  readonly borrow: (id: DatabaseId) => Promise<Loan>;
  /** New pools, and new sessions where the old ones are broken. */
  reconnect(): Promise<void>;
  /** The database is to be found on another server from now on, under the same name unless another is given. */
  move(name: string, server: TestServer, databaseName?: string): Promise<void>;
}

/** @param makedelta the databases that have it on */
export const createSite = async (
  names: readonly string[],
  options: SiteOptions,
  makedelta: readonly string[] = [],
): Promise<Site> => {
  const tested = new Map<string, TestDatabase>();
  const sessions = new Map<string, Session>();
  for (const name of names) {
    const database = await createOn(options.servers?.[name] ?? options.server, name.toLowerCase());
    tested.set(name, database);
    sessions.set(name, await prepare(database, name, options));
  }
  const parametersOf = (name: string): Database['parameters'] => ({
    ...tested.get(name)?.parameters,
    ...options.ways?.[name],
    ...(options.role === undefined ? {} : { user: options.role.name }),
  });
  const databases = new Map(
    names.map((name, index): [string, Database] => [
      name,
      {
        id: (index + 1) as DatabaseId,
        name: name as DatabaseName,
        status: 'active',
        parameters: parametersOf(name),
        makedelta: makedelta.includes(name),
      },
    ]),
  );
  const pools = new Map<DatabaseId, Pool>();
  const openPools = (): void => {
    for (const database of databases.values())
      pools.set(database.id, createPool({ label: database.name, parameters: database.parameters }));
  };
  const closePools = async (): Promise<void> => {
    await Promise.all([...pools.values()].map((pool) => pool.close()));
  };
  openPools();
  const reconnect = async (): Promise<void> => {
    await closePools();
    openPools();
    for (const [name, session] of sessions) {
      if (session.isUsable) continue;
      sessions.set(name, await applicationOn(tested.get(name) as TestDatabase));
    }
  };
  return {
    databases,
    oldestVersion: Math.min(...[...sessions.values()].map(({ serverVersion }) => serverVersion)),
    borrow: (id) => (pools.get(id) as Pool).acquire(),
    on: (name) => sessions.get(name) as Session,
    another: (name) => applicationOn(tested.get(name) as TestDatabase),
    async run(name, statements) {
      await sessions.get(name)?.script(sql.verbatim(statements));
    },
    async rows(name, table) {
      const relation = relationOf(table);
      const found = await sessions
        .get(name)
        ?.query(sql`select t::text as row from ${sql.id(relation.schema, relation.name)} t order by 1`);
      return (found ?? []).map(({ row }) => row ?? '');
    },
    reconnect,
    async move(name, server, databaseName = tested.get(name)?.name ?? '') {
      tested.set(name, existingDatabase(server, databaseName));
      databases.set(name, { ...(databases.get(name) as Database), parameters: parametersOf(name) });
      await sessions.get(name)?.close();
      await reconnect();
    },
    [Symbol.asyncDispose]: closePools,
  };
};

const createOn = (server: TestServer | undefined, hint: string): Promise<TestDatabase> =>
  server === undefined ? createDatabase(hint) : databaseOn(server, hint);

const applicationOn = async (database: TestDatabase): Promise<Session> => {
  const session = await database.session('application');
  await session.script(sql`set search_path = public`);
  return session;
};

const prepare = async (
  database: TestDatabase,
  name: string,
  { schema, seed, role, prepare: load }: SiteOptions,
): Promise<Session> => {
  const session = await applicationOn(database);
  await session.script(sql.verbatim(schema));
  await load?.(session);
  if (seed?.[name] !== undefined) await session.script(sql.verbatim(seed[name]));
  if (role !== undefined) await session.script(sql.verbatim(role.grants(name, database.name)));
  return session;
};

/** A name alone is one in the schema public. */
export const relationOf = (table: string | RelationName): RelationName =>
  typeof table === 'string' ? { schema: 'public', name: table } : table;
