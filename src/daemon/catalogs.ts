/**
 * The catalogs that a lane works with, read when they are first needed and thrown away after any failure.
 *
 * How values travel depends on the oldest server of the lane, so a catalog is read anew when an older one shows up.
 */
import type { DatabaseId, Member, SyncRelation } from '../model/topology.ts';
import type { Lease } from '../pg/pool.ts';
import { type Catalog, readCatalog } from '../replication/read/catalog.ts';

export interface CatalogsOptions {
  readonly schema: string;
  readonly relations: () => readonly SyncRelation[];
  readonly members: readonly Member[];
  readonly borrow: (database: DatabaseId) => Promise<Lease>;
  readonly serverVersion: (database: DatabaseId) => number | null;
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

  /** What was read already; null when nothing is kept or it could not be read. */
  async known(database: DatabaseId): Promise<Catalog | null> {
    return (await this.#kept.get(database)?.catalog.catch(() => null)) ?? null;
  }

  drop(): void {
    this.#kept.clear();
  }

  /** Connects once to those that were never seen, so that their versions are known. */
  async see(members: readonly Member[]): Promise<void> {
    const unseen = members.filter(({ database }) => this.#options.serverVersion(database.id) === null);
    await Promise.all(
      unseen.map(async ({ database }) => {
        await using lease = await this.#options.borrow(database.id);
        return lease.session.serverVersion;
      }),
    );
  }

  #oldestVersion(): number {
    const { members, serverVersion } = this.#options;
    return Math.min(...members.map(({ database }) => serverVersion(database.id) ?? Number.POSITIVE_INFINITY));
  }

  async #read(database: DatabaseId, oldestVersion: number): Promise<Catalog> {
    const { schema, relations, members, borrow } = this.#options;
    const isSource = members.some((member) => member.database.id === database && member.role === 'source');
    await using lease = await borrow(database);
    return await readCatalog(lease.session, { schema, relations: relations(), oldestVersion, isSource });
  }
}
