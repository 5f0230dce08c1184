/**
 * Looks now and then at what triggers cannot see: columns that changed, triggers that were disabled for a while, partitions
 * that came or went, tables that were made anew. A change of columns makes the lanes read the catalogue again; the others mean that
 * changes may have been missed, which the operator is told, and what is not captured as it should be is captured again.
 *
 * How a table was seen last is remembered in the control store, so what happened while no daemon ran is told by the next one.
 */
import type { Db } from '../control/db.ts';
import { clearNotice, hasNotice, setNotice } from '../control/notice.ts';
import { readSeenTables, rememberTables, type SeenTable } from '../control/seen-table.ts';
import { type Fingerprint, readFingerprints } from '../connectors/postgres/fingerprint.ts';
import { prepareLocking } from '../connectors/postgres/lock-settings.ts';
import {
  type Database,
  type DatabaseId,
  formatRelation,
  type RelationId,
  relationsOn,
  type SyncDefinition,
  type SyncId,
} from '../model/topology.ts';
import { isReplicationError } from '../model/errors.ts';
import type { Session } from '../pg/session.ts';
import type { Catalog } from '../replication/read/catalog.ts';
import type { Log } from '../runtime/log.ts';
import { forEachInTurn, inBackground } from './background.ts';
import { type Finding, findingOf, messageOf, type Watched } from './catalogue-finding.ts';
import { captureAgain } from './capture-mending.ts';
import type { Databases } from './databases.ts';
import type { Lane } from './lane.ts';
import { isUnreachable } from './retry.ts';

interface CatalogueWatchOptions {
  readonly syncId: SyncId;
  readonly schema: string;
  readonly definition: () => SyncDefinition;
  readonly databases: Databases;
  readonly lanes: readonly Lane[];
  readonly log: Log;
  readonly write: (work: (db: Db) => Promise<void>) => void;
  readonly signal: AbortSignal;
}

/** The code of the notice that a table could not be captured again. */
const failed = 'capture_failed';

interface Place {
  readonly database: Database;
  /** As they were seen last. They outlive the catalogs of the lanes, which go with every failure. */
  readonly watched: Map<RelationId, Watched>;
  /** Not captured as they should be, and why that is known. */
  readonly disturbed: Map<RelationId, Finding>;
}

export class CatalogueWatch {
  readonly #options: CatalogueWatchOptions;
  readonly #places = new Map<DatabaseId, Place>();
  #turn: Promise<void> = Promise.resolve();

  constructor(options: CatalogueWatchOptions) {
    this.#options = options;
  }

  /** A lane has read the catalogue: from the first time on these tables are watched. */
  note(database: Database, { tables, fingerprints, disturbed }: Catalog): void {
    const place = this.#placeOf(database);
    const found = new Map<RelationId, Finding>();
    const fresh: Watched[] = [];
    for (const { id, table } of tables.values()) {
      const fingerprint = fingerprints.get(table.oid);
      if (fingerprint === undefined) continue;
      const before = place.watched.get(id);
      // What is being captured again changes by our own hand.
      if (before !== undefined && place.disturbed.has(id)) continue;
      const now = { id, relation: table.relation, oid: table.oid, fingerprint, isMissing: false };
      place.watched.set(id, now);
      const finding = before === undefined ? null : findingOf(before, now);
      if (before === undefined) fresh.push(now);
      if (finding === null) continue;
      found.set(id, finding);
      this.#meet(place, now, finding);
    }
    if (fresh.length > 0) this.#recall(place, fresh);
    const news = disturbed.filter((id) => !place.disturbed.has(id));
    for (const id of news) place.disturbed.set(id, found.get(id) ?? 'capture_incomplete');
    if (news.length > 0) void inBackground('capturing again', () => this.look(), this.#options.log);
  }

  /** One at a time. */
  look(): Promise<void> {
    const looked = this.#turn.then(() => forEachInTurn(this.#places.values(), (place) => this.#look(place)));
    this.#turn = looked.catch(() => undefined);
    return looked;
  }

  #placeOf(database: Database): Place {
    const known = this.#places.get(database.id);
    if (known !== undefined) return known;
    const place = { database, watched: new Map(), disturbed: new Map() };
    this.#places.set(database.id, place);
    return place;
  }

  async #look(place: Place): Promise<void> {
    const { databases, schema, lanes, signal } = this.#options;
    const { database, disturbed } = place;
    if (signal.aborted || !databases.isUp(database.id)) return;
    await using loan = await databases.borrow(database.id);
    await prepareLocking(loan.session);
    const there = [...place.watched.values()].filter(({ isMissing }) => !isMissing);
    const seen = await readFingerprints(
      loan.session,
      schema,
      there.map(({ oid }) => oid),
    );
    for (const before of there) this.#compare(place, before, seen.get(before.oid));
    if (disturbed.size === 0) return;
    await this.#mend(place, loan.session);
    for (const lane of lanes) {
      lane.catalogs.drop();
      lane.wake();
    }
  }

  #compare(place: Place, before: Watched, fingerprint: Fingerprint | undefined): void {
    const now =
      fingerprint === undefined
        ? { ...before, isMissing: true }
        : { ...before, fingerprint, isMissing: false };
    place.watched.set(before.id, now);
    const finding = findingOf(before, now);
    if (finding === null || place.disturbed.has(before.id)) return;
    place.disturbed.set(before.id, finding);
    this.#meet(place, now, finding);
  }

  /** @throws what capturing fails with; it is tried again with the next look */
  async #mend(place: Place, session: Session): Promise<void> {
    const { schema, definition, signal } = this.#options;
    const { database, watched, disturbed } = place;
    const wanted = relationsOn(definition(), database.id).filter(({ id }) => disturbed.has(id));
    const mended = await captureAgain(session, { schema, relations: wanted, signal }).catch(
      (error: unknown) => {
        this.#tellFailure(place, error);
        throw error;
      },
    );
    this.#takeBackFailure(place);
    for (const { id, oid, relation, fingerprint } of mended) {
      const before = watched.get(id);
      const now = { id, oid, relation, fingerprint, isMissing: false };
      watched.set(id, now);
      const finding = before !== undefined && before.oid !== oid ? 'relation_replaced' : disturbed.get(id);
      const isTold = finding !== undefined && messageOf(place.database, now, finding) !== null;
      this.#tell(place, now, isTold ? finding : 'capture_incomplete');
    }
    disturbed.clear();
  }

  #tellFailure({ database, disturbed, watched }: Place, error: unknown): void {
    if (!isReplicationError(error) || isUnreachable(error)) return;
    const { write, syncId } = this.#options;
    const place = { syncId, databaseId: database.id, code: failed };
    for (const id of disturbed.keys()) {
      const table = watched.get(id);
      if (table === undefined) continue;
      const what = `Changes of table ${formatRelation(table.relation)} on ${database.name} are not captured as they should be, and that cannot be put right`;
      const message = `${what}: ${error.message} ${error.hint}`;
      write((db) => setNotice(db, { ...place, relationId: id, message }));
    }
  }

  #takeBackFailure({ database, disturbed }: Place): void {
    const { write, syncId } = this.#options;
    for (const id of disturbed.keys())
      write((db) => clearNotice(db, { syncId, databaseId: database.id, relationId: id, code: failed }));
  }

  #meet(place: Place, table: Watched, finding: Finding): void {
    const { log } = this.#options;
    const { name } = place.database;
    log.warn('a table has changed', { database: name, table: formatRelation(table.relation), finding });
    this.#tell(place, table, finding);
  }

  #tell({ database }: Place, table: Watched, finding: Finding): void {
    const { write, syncId } = this.#options;
    const place = { syncId, databaseId: database.id };
    const key = { ...place, relationId: table.id };
    const message = messageOf(database, table, finding);
    write(async (db) => {
      // The least that can be said: what is known better may have been told before.
      const isKnown = finding === 'capture_incomplete' && (await hasNotice(db, key));
      if (message !== null && !isKnown) await setNotice(db, { ...key, code: finding, message });
      await rememberTables(db, place, [seenOf(table)]);
    });
  }

  /** What has happened to these tables since a daemon saw them last. After pg_upgrade nothing can be said of that. */
  #recall({ database }: Place, tables: readonly Watched[]): void {
    const { write, syncId } = this.#options;
    const place = { syncId, databaseId: database.id };
    write(async (db) => {
      const remembered = new Map((await readSeenTables(db, place)).map((seen) => [seen.relationId, seen]));
      for (const table of tables) {
        const before = remembered.get(table.id);
        if (before?.systemIdentifier !== table.fingerprint.systemIdentifier) continue;
        const { oid, triggers, children } = before;
        const finding = findingOf(
          { ...table, oid, fingerprint: { ...table.fingerprint, triggers, children } },
          table,
        );
        const message = finding === null ? null : messageOf(database, table, finding);
        if (finding === null || message === null) continue;
        await setNotice(db, { ...place, relationId: table.id, code: finding, message });
      }
      await rememberTables(db, place, tables.map(seenOf));
    });
  }
}

const seenOf = ({ id, oid, fingerprint }: Watched): SeenTable => {
  const { systemIdentifier, triggers, children } = fingerprint;
  return { relationId: id, systemIdentifier, oid, triggers, children };
};
