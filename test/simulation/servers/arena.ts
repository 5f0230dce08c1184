/**
 * A few databases of a server, emptied and used again from one seed to the next: to make databases takes longer than to play a seed.
 * Two-phase commit is possible on it, and nothing has to survive a crash of the machine.
 */
import type { Database, DatabaseId, DatabaseName } from '../../../src/model/topology.ts';
import { connect } from '../../../src/pg/conninfo.ts';
import { createPool, type Loan, type Pool } from '../../../src/pg/pool.ts';
import type { Session } from '../../../src/pg/session.ts';
import { sql } from '../../../src/pg/sql.ts';
import { startServer } from '../../../tools/embedded-postgres.ts';

const databaseNames = ['A', 'B', 'C', 'D', 'T', 'U', 'V'];

/** How many applications are connected to a database at the same time. */
const applicationCount = 3;

const settings = {
  autovacuum: 'off',
  fsync: 'off',
  full_page_writes: 'off',
  synchronous_commit: 'off',
  max_connections: '200',
  max_prepared_transactions: '50',
  // The checker asks when a transaction was committed.
  track_commit_timestamp: 'on',
  shared_buffers: '64MB',
  max_wal_size: '2GB',
};

export interface Arena {
  /** All of them, by name. */
  readonly databases: ReadonlyMap<string, Database>;
  readonly serverVersion: number;
  /** An application's session on a database. */
  readonly application: (name: string, index: number) => Session;
  readonly borrow: (id: DatabaseId) => Promise<Loan>;
  /** Nothing is left of an earlier seed on these databases. */
  reset(names: readonly string[]): Promise<void>;
  /** What applications have left open is rolled back. */
  endTransactions(names: readonly string[]): Promise<void>;
  /** As when the daemon ends and another begins: all connections of rounds are new. */
  restart(): Promise<void>;
  /** The server ends these backends. */
  terminate(pids: readonly string[]): Promise<void>;
  /** Of the server; when it is there again, applications are connected anew. */
  crash(): Promise<void>;
}

export interface Arenas extends AsyncDisposable {
  readonly all: readonly Arena[];
}

/** So many that seeds can be played side by side, each with a server of its own. */
export const openArenas = async (count: number): Promise<Arenas> => {
  const arenas = await Promise.all(Array.from({ length: count }, openArena));
  return {
    all: arenas,
    async [Symbol.asyncDispose]() {
      await Promise.all(arenas.map((arena) => arena.close()));
    },
  };
};

const openArena = async (): Promise<Arena & { close(): Promise<void> }> => {
  const server = await startServer({ settings });
  const administer = (): Promise<Session> =>
    connect(server.parameters, { label: 'the server', applicationName: 'test' });
  await using administrator = await administer();
  const databases = new Map<string, Database>();
  const applications = new Map<string, readonly Session[]>();
  for (const [index, name] of databaseNames.entries()) {
    const dbname = name.toLowerCase();
    await administrator.script(sql`create database ${sql.id(dbname)} strategy file_copy`);
    const parameters = { ...server.parameters, dbname };
    const database = { id: (index + 1) as DatabaseId, name: name as DatabaseName, parameters };
    databases.set(name, { ...database, status: 'active', makedelta: false });
  }
  const connectAll = async (): Promise<void> => {
    for (const { name, parameters } of databases.values())
      applications.set(name, await connectApplications(name, parameters));
  };
  await connectAll();
  const all = [...databases.values()];
  let pools = openPools(all);
  const restart = async (): Promise<void> => {
    const former = [...pools.values()];
    pools = openPools(all);
    await Promise.all(former.map((pool) => pool.close()));
  };
  return {
    databases,
    serverVersion: administrator.serverVersion,
    application: (name, index) => applications.get(name)?.[index] as Session,
    borrow: (id) => (pools.get(id) as Pool).acquire(),
    restart,
    async terminate(pids) {
      await using session = await administer();
      for (const pid of pids) await session.query(sql`select pg_terminate_backend(${pid}::integer, 5000)`);
    },
    async crash() {
      await server.kill();
      await Promise.all([...applications.values()].flat().map((session) => session.close()));
      await server.start();
      await connectAll();
    },
    async reset(names) {
      await restart();
      await Promise.all(names.map((name) => emptyDatabase(applications.get(name) ?? [])));
    },
    async endTransactions(names) {
      await Promise.all(names.map((name) => rollBackAll(applications.get(name) ?? [])));
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.close()));
      await Promise.all([...applications.values()].flat().map((session) => session.close()));
      await server[Symbol.asyncDispose]();
    },
  };
};

const connectApplications = async (
  label: string,
  parameters: Database['parameters'],
): Promise<readonly Session[]> => {
  const sessions = await Promise.all(
    Array.from({ length: applicationCount }, () =>
      connect(parameters, { label, applicationName: 'application' }),
    ),
  );
  // An application waits for others, but no longer than a step may take.
  for (const session of sessions)
    await session.script(sql`set search_path = public`, sql`set lock_timeout = 20`);
  return sessions;
};

const openPools = (databases: readonly Database[]): Map<DatabaseId, Pool> =>
  new Map(databases.map(({ id, name, parameters }) => [id, createPool({ label: name, parameters })]));

const rollBackAll = async (applications: readonly Session[]): Promise<void> => {
  for (const application of applications)
    if (application.isInTransaction) await application.script(sql`rollback`);
  const [session] = applications as [Session];
  const prepared = await session.query(
    sql`select gid from pg_prepared_xacts where database = current_database()`,
  );
  for (const { gid } of prepared) await session.script(sql`rollback prepared ${sql.literal(gid ?? '')}`);
};

const emptyDatabase = async (applications: readonly Session[]): Promise<void> => {
  await rollBackAll(applications);
  const [session] = applications as [Session];
  await session.script(
    sql`set client_min_messages = error`,
    sql`set lock_timeout = 0`,
    sql`drop schema if exists public, witness, tahr cascade`,
    sql`create schema public`,
  );
  await session.script(sql`set lock_timeout = 20`);
  await vacuumCatalogues(session);
};

/** What was dropped leaves dead rows there, which every look at the catalogue would pass by. */
const vacuumCatalogues = async (session: Session): Promise<void> => {
  const count = Number(session.memory.get('resets') ?? 0);
  session.memory.set('resets', count + 1);
  if (count % 5 !== 4) return;
  const catalogues = await session.query(
    sql`select relname from pg_class where relnamespace = 'pg_catalog'::regnamespace and relkind = 'r' and not relisshared and relpages > 4`,
  );
  await session.script(
    sql`vacuum ${sql.join(catalogues.map(({ relname }) => sql.id('pg_catalog', relname ?? '')))}`,
  );
};
