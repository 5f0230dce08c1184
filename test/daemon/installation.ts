/** An installation with a control store, databases and one sync, and daemons that run inside the test. */
import { PassThrough } from 'node:stream';
import { plainSync } from '../support/sync-definition.ts';
import { expect, onTestFinished, vi } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { listDaemons, unregisterDaemon } from '../../src/control/daemon.ts';
import { readLeases } from '../../src/control/lease.ts';
import { addDatabase } from '../../src/control/database.ts';
import { addDbGroup } from '../../src/control/dbgroup.ts';
import { installControl } from '../../src/control/install.ts';
import { getInstallation } from '../../src/control/installation.ts';
import { type KickOutcome, readKick, requestKick } from '../../src/control/kick.ts';
import { rememberRelations } from '../../src/control/relation.ts';
import { addRelGroup } from '../../src/control/relgroup.ts';
import { type ControlStore, openControlStore } from '../../src/control/store.ts';
import { addSync, type NewSync } from '../../src/control/sync.ts';
import { loadSyncDefinition } from '../../src/control/sync-definition.ts';
import { readSyncStates, type StoredSyncState } from '../../src/control/sync-state.ts';
import { runDaemon } from '../../src/daemon/daemon.ts';
import type { ConnectionParameters, DatabaseName, Role, SyncDefinition } from '../../src/model/topology.ts';
import { connect } from '../../src/pg/conninfo.ts';
import type { Session } from '../../src/pg/session.ts';
import { sql } from '../../src/pg/sql.ts';
import { passOn, type Reached } from '../../src/replication/fault-point.ts';
import { createLog } from '../../src/runtime/log.ts';
import { installSync } from '../../src/setup/install.ts';
import { createDatabase, databaseOn, type TestDatabase } from '../support/databases.ts';

interface InstallationOptions {
  /** `{ A: 'source', B: 'target' }`, in the order of the sync. */
  readonly roles: Readonly<Record<string, Role>>;
  readonly schema: string;
  readonly tables: readonly string[];
  readonly sequences?: readonly string[];
  readonly sync?: Partial<NewSync>;
  /** What leads the daemon, and not the applications, to a database. */
  readonly ways?: Readonly<Record<string, ConnectionParameters>>;
  /** Servers of their own, by database. */
  readonly servers?: Readonly<Record<string, { readonly parameters: TestDatabase['parameters'] }>>;
}

export interface RunningDaemon {
  /** What was logged so far. */
  log(): string;
  stop(): Promise<void>;
  readonly ended: Promise<void>;
}

export class TestInstallation {
  readonly control: TestDatabase;
  readonly store: ControlStore;
  readonly databases: ReadonlyMap<string, TestDatabase>;
  readonly #sessions = new Map<string, Session>();
  readonly #tables: readonly string[];
  sync: SyncDefinition;

  constructor(
    fields: Pick<TestInstallation, 'control' | 'store' | 'databases' | 'sync'>,
    tables: readonly string[],
  ) {
    this.control = fields.control;
    this.store = fields.store;
    this.databases = fields.databases;
    this.sync = fields.sync;
    this.#tables = tables;
  }

  database(name: string): TestDatabase {
    const database = this.databases.get(name);
    if (database === undefined) throw new Error(`no database ${name}`);
    return database;
  }

  /** Statements of an application. */
  async run(name: string, statements: string): Promise<void> {
    await (await this.#session(name)).script(sql.verbatim(statements));
  }

  async rows(name: string, table: string): Promise<string[]> {
    const session = await this.#session(name);
    const found = await session.query(
      sql`select t::text as row from ${sql.id('public', table)} t order by 1`,
    );
    return found.map(({ row }) => row ?? '');
  }

  /** Waits until the tables hold the same rows everywhere. */
  async equal(timeoutMs = 10_000): Promise<void> {
    const [first = '', ...others] = this.databases.keys();
    await vi.waitFor(
      async () => {
        for (const table of this.#tables) {
          const rows = await this.rows(first, table);
          for (const name of others)
            expect(await this.rows(name, table), `${table} on ${name}`).toEqual(rows);
        }
      },
      { timeout: timeoutMs, interval: 20 },
    );
  }

  /** What the daemon says of the sync on a database. */
  async state(name: string): Promise<StoredSyncState> {
    const states = await this.store.transaction(readSyncStates);
    const found = states.find(({ database }) => database === (name as DatabaseName));
    if (found === undefined) throw new Error(`no state of ${name}`);
    return found;
  }

  async eventually(name: string, expected: Partial<StoredSyncState>, timeoutMs = 10_000): Promise<void> {
    await vi.waitFor(async () => expect(await this.state(name)).toMatchObject(expected), {
      timeout: timeoutMs,
      interval: 50,
    });
  }

  /** Kicks a sync, by itself the first one, and waits for the answer. */
  async kick(name: string = this.sync.name, timeoutMs = 10_000): Promise<KickOutcome | null> {
    const id = await this.store.transaction(async (db) =>
      requestKick(db, (await loadSyncDefinition(db, name)).id),
    );
    return vi.waitFor(
      async () => {
        const kick = await this.store.transaction((db) => readKick(db, id));
        expect(kick?.doneAt).not.toBeNull();
        return kick?.outcome ?? null;
      },
      { timeout: timeoutMs, interval: 20 },
    );
  }

  /** A killed daemon cannot give its leases back; the next one would wait until they expire. */
  async forgetDaemons(): Promise<void> {
    await this.store.transaction(async (db) => {
      const listed = (await listDaemons(db)).map(({ id }) => id);
      const leased = (await readLeases(db)).flatMap(({ holder, predecessor }) => holder ?? predecessor ?? []);
      for (const id of [...listed, ...leased]) await unregisterDaemon(db, id);
    });
  }

  startDaemon(reached: Reached = passOn): RunningDaemon {
    return startDaemon(this.control, reached);
  }

  async #session(name: string): Promise<Session> {
    const known = this.#sessions.get(name);
    if (known?.isUsable) return known;
    const session = await this.database(name).session('application');
    await session.script(sql`set search_path = public`);
    this.#sessions.set(name, session);
    return session;
  }
}

/** Inside the test, which ends it. */
export const startDaemon = (control: TestDatabase, reached: Reached = passOn): RunningDaemon => {
  const stream = new PassThrough();
  const lines: string[] = [];
  stream.on('data', (chunk: Buffer) => lines.push(chunk.toString()));
  const controller = new AbortController();
  const config: Config = {
    control: control.parameters,
    schema: 'tahr',
    logLevel: 'debug',
    logDestination: null,
    stateDirectory: '/nowhere',
    file: null,
  };
  const ended = runDaemon({
    config,
    log: createLog({ level: 'debug', destination: stream }),
    signal: controller.signal,
    reached,
  });
  const stop = async (): Promise<void> => {
    controller.abort();
    await ended;
  };
  onTestFinished(async ({ task }) => {
    await stop().catch(() => undefined);
    if (task.result?.state === 'fail') console.error(lines.join(''));
  });
  ended.catch(() => undefined);
  return { log: () => lines.join(''), stop, ended };
};

export const createInstallation = async (options: InstallationOptions): Promise<TestInstallation> => {
  const control = await createDatabase('control');
  await installControl(await control.session(), { schema: 'tahr' });
  const store = await openControlStore({ schema: 'tahr', connect: () => control.session() });
  const databases = new Map<string, TestDatabase>();
  for (const name of Object.keys(options.roles)) {
    const server = options.servers?.[name];
    const database =
      server === undefined
        ? await createDatabase(name.toLowerCase())
        : await databaseOn(server, name.toLowerCase());
    const session = await database.session();
    await session.script(sql`set search_path = public`, sql.verbatim(options.schema));
    databases.set(name, database);
  }
  const sync = await store.transaction(async (db) => {
    for (const [name, { parameters }] of databases) {
      await addDatabase(db, {
        name,
        parameters: { ...parameters, ...options.ways?.[name] },
        status: 'active',
        makedelta: false,
      });
    }
    const members = Object.entries(options.roles).map(([database, role]) => ({ database, role }));
    await addDbGroup(db, 'everywhere', members);
    const [foundIn = ''] = databases.keys();
    const found = (kind: 'table' | 'sequence') => (name: string) => ({
      kind,
      relation: { schema: 'public', name },
      foundIn: foundIn as DatabaseName,
    });
    const relations = await rememberRelations(db, [
      ...options.tables.map(found('table')),
      ...(options.sequences ?? []).map(found('sequence')),
    ]);
    await addRelGroup(
      db,
      'everything',
      relations.map(({ id }) => id),
    );
    const added = await addSync(db, {
      name: 'shop',
      relgroup: 'everything',
      dbgroup: 'everywhere',
      ...plainSync,
      ...options.sync,
    });
    await install(added, (await getInstallation(db)).id);
    return added;
  });
  return new TestInstallation({ control, store, databases, sync }, options.tables);
};

/** Makes the databases ready for the sync as it is now. */
export const install = async (definition: SyncDefinition, installation: string): Promise<void> => {
  await installSync({
    definition,
    installation,
    schema: 'tahr',
    connect: (database) => connect(database.parameters, { label: database.name, applicationName: 'setup' }),
    signal: new AbortController().signal,
  });
};
