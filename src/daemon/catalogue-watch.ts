/**
 * Looks now and then at what triggers cannot see: columns that changed, triggers that were disabled for a while,
 * partitions that came or went. A change of columns makes the lanes read the catalogue again; the others mean that
 * changes may have been missed, which the operator is told.
 */
import type { Db } from '../control/db.ts';
import { setNotice } from '../control/notice.ts';
import {
  compareFingerprints,
  type Fingerprint,
  type FingerprintFinding,
  readFingerprints,
} from '../connectors/postgres/fingerprint.ts';
import { type Database, formatRelation, type SyncId } from '../model/topology.ts';
import type { Log } from '../runtime/log.ts';
import type { CatalogTable } from '../replication/read/catalog.ts';
import type { Databases } from './databases.ts';
import type { Lane } from './lane.ts';

interface CatalogueWatchOptions {
  readonly syncId: SyncId;
  readonly schema: string;
  readonly databases: Databases;
  readonly lanes: readonly Lane[];
  readonly log: Log;
  readonly write: (work: (db: Db) => Promise<void>) => void;
}

const disturbances: Readonly<Partial<Record<FingerprintFinding, string>>> = {
  capture_disturbed: 'its triggers were disabled or made anew',
  partitions_changed: 'partitions were attached, detached, created or dropped',
};

export class CatalogueWatch {
  readonly #options: CatalogueWatchOptions;
  /** By database and oid: what was seen last. It outlives the catalogs of the lanes, which go with every failure. */
  readonly #seen = new Map<string, Fingerprint>();

  constructor(options: CatalogueWatchOptions) {
    this.#options = options;
  }

  async look(): Promise<void> {
    const sources = new Map(
      this.#options.lanes.flatMap(({ plan }) => plan.readers.map(({ database }) => [database.id, database])),
    );
    for (const database of sources.values()) {
      if (this.#options.databases.isUp(database.id)) await this.#lookAt(database);
    }
  }

  async #lookAt(database: Database): Promise<void> {
    const { databases, schema } = this.#options;
    const tables = await this.#tablesOf(database);
    if (tables.length === 0) return;
    await using lease = await databases.borrow(database.id);
    const now = await readFingerprints(
      lease.session,
      schema,
      tables.map(({ table }) => table.oid),
    );
    for (const table of tables) this.#compare(database, table, now.get(table.table.oid));
  }

  /** As one of the lanes knows them; none while all of them are without a catalog. */
  async #tablesOf(database: Database): Promise<CatalogTable[]> {
    for (const { catalogs } of this.#options.lanes) {
      const catalog = await catalogs.known(database.id);
      if (catalog === null) continue;
      for (const [oid, fingerprint] of catalog.fingerprints) {
        const key = `${database.id} ${oid}`;
        if (!this.#seen.has(key)) this.#seen.set(key, fingerprint);
      }
      return [...catalog.tables.values()];
    }
    return [];
  }

  #compare(database: Database, { id, table }: CatalogTable, now: Fingerprint | undefined): void {
    const { lanes, log, write, syncId } = this.#options;
    const key = `${database.id} ${table.oid}`;
    const before = this.#seen.get(key);
    const finding = before === undefined ? null : compareFingerprints(before, now);
    if (now !== undefined) this.#seen.set(key, now);
    else this.#seen.delete(key);
    if (finding === null) return;
    const relation = formatRelation(table.relation);
    log.warn('a table has changed', { database: database.name, table: relation, finding });
    for (const lane of lanes) lane.catalogs.drop();
    for (const lane of lanes) lane.wake();
    const what = disturbances[finding];
    if (what === undefined) return;
    const message = `Table ${relation} on ${database.name} may have changed without being captured: ${what}. Compare it with the other databases.`;
    write((db) => setNotice(db, { syncId, databaseId: database.id, relationId: id, code: finding, message }));
  }
}
