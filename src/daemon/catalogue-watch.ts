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
import type { Catalog, CatalogTable } from '../replication/read/catalog.ts';
import { forEachInTurn } from './background.ts';
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

interface Watched {
  readonly database: Database;
  readonly table: CatalogTable;
  /** As it was seen last. It outlives the catalogs of the lanes, which go with every failure. */
  readonly fingerprint: Fingerprint;
}

export class CatalogueWatch {
  readonly #options: CatalogueWatchOptions;
  /** By database and oid. */
  readonly #watched = new Map<string, Watched>();

  constructor(options: CatalogueWatchOptions) {
    this.#options = options;
  }

  /** A lane has read the catalogue: from the first time on these tables are watched. */
  note(database: Database, { tables, fingerprints }: Catalog): void {
    for (const table of tables.values()) {
      const fingerprint = fingerprints.get(table.table.oid);
      if (fingerprint === undefined) continue;
      const before = this.#watched.get(keyOf(database, table));
      this.#watched.set(keyOf(database, table), { database, table, fingerprint });
      if (before !== undefined) this.#compare(before, fingerprint);
    }
  }

  async look(): Promise<void> {
    const { databases, schema } = this.#options;
    const byDatabase = Map.groupBy(this.#watched.values(), ({ database }) => database.id);
    await forEachInTurn(byDatabase, async ([id, watched]) => {
      if (!databases.isUp(id)) return;
      await using lease = await databases.borrow(id);
      const oids = watched.map(({ table }) => table.table.oid);
      const now = await readFingerprints(lease.session, schema, oids);
      for (const one of watched) this.#look(one, now.get(one.table.table.oid));
    });
  }

  #look(before: Watched, now: Fingerprint | undefined): void {
    const key = keyOf(before.database, before.table);
    if (now === undefined) this.#watched.delete(key);
    else this.#watched.set(key, { ...before, fingerprint: now });
    if (!this.#compare(before, now)) return;
    for (const lane of this.#options.lanes) {
      lane.catalogs.drop();
      lane.wake();
    }
  }

  /** True when something has happened to the table. */
  #compare({ database, table: { id, table }, fingerprint }: Watched, now: Fingerprint | undefined): boolean {
    const { log, write, syncId } = this.#options;
    const finding = compareFingerprints(fingerprint, now);
    if (finding === null) return false;
    const relation = formatRelation(table.relation);
    log.warn('a table has changed', { database: database.name, table: relation, finding });
    const what = disturbances[finding];
    if (what === undefined) return true;
    const message = `Table ${relation} on ${database.name} may have changed without being captured: ${what}. Compare it with the other databases.`;
    write((db) => setNotice(db, { syncId, databaseId: database.id, relationId: id, code: finding, message }));
    return true;
  }
}

const keyOf = ({ id }: Database, { table }: CatalogTable): string => `${id} ${table.oid}`;
