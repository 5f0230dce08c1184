/**
 * The catalogs that a lane works with, read when they are first needed and thrown away after any failure.
 *
 * How values travel depends on the oldest server of the lane, so a catalog is read anew when an older one shows up.
 */
import assert from 'node:assert/strict';
import { prepareLocking } from '../connectors/postgres/lock-settings.ts';
import {
  type Database,
  type DatabaseId,
  type Member,
  relationsOn,
  type SyncDefinition,
} from '../model/topology.ts';
import type { Loan } from '../pg/pool.ts';
import { type Catalog, readCatalog } from '../replication/read/catalog.ts';

export interface CatalogsOptions {
  readonly schema: string;
  readonly definition: () => SyncDefinition;
  readonly members: readonly Member[];
  readonly borrow: (database: DatabaseId) => Promise<Loan>;
  readonly serverVersion: (database: DatabaseId) => number | null;
  readonly onRead: (database: Database, catalog: Catalog) => void;
}

interface Kept {
  readonly oldestVersion: number;
  readonly catalog: Promise<Catalog>;
}

export class Catalogs {
  readonly #options: CatalogsOptions;
  readonly #kept = new Map<DatabaseId, Kept>();

  constructor(options: CatalogsOptions) {
    this.#options = options;
  }

  /** @throws ReplicationError what `readCatalog` and `borrow` throw */
  async get(database: DatabaseId): Promise<Catalog> {
    const oldestVersion = this.#oldestVersion();
    const kept = this.#kept.get(database);
    if (kept?.oldestVersion === oldestVersion) return kept.catalog;
    const catalog = this.#read(database, oldestVersion);
    this.#kept.set(database, { oldestVersion, catalog });
    return catalog;
  }

  drop(): void {
    this.#kept.clear();
  }

  /** Connects once to those that were never seen, so that their versions are known. */
  async see(members: readonly Member[]): Promise<void> {
    const unseen = members.filter(({ database }) => this.#options.serverVersion(database.id) === null);
    await Promise.all(
      unseen.map(async ({ database }) => {
        await using loan = await this.#options.borrow(database.id);
        return loan.session.serverVersion;
      }),
    );
  }

  #oldestVersion(): number {
    const { members, serverVersion } = this.#options;
    return Math.min(...members.map(({ database }) => serverVersion(database.id) ?? Number.POSITIVE_INFINITY));
  }

  async #read(id: DatabaseId, oldestVersion: number): Promise<Catalog> {
    const { schema, definition, members, borrow, onRead } = this.#options;
    const member = members.find(({ database }) => database.id === id);
    assert(member !== undefined, `database ${id} is not in the lane`);
    await using loan = await borrow(id);
    await prepareLocking(loan.session);
    const isSource = member.role === 'source';
    const catalog = await readCatalog(loan.session, {
      schema,
      relations: relationsOn(definition(), id),
      oldestVersion,
      isSource,
      written: new Set(members.map(({ database }) => database.id)),
    });
    onRead(member.database, catalog);
    return catalog;
  }
}
