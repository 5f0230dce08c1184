/**
 * Tells of a publication FOR ALL TABLES that is made while a sync runs: it publishes the tables of Tahr too, and their first row stops
 * its subscribers (engine rule §19). Before a sync is added `validate` refuses it.
 */
import { readPublicationForAllTables } from '../connectors/postgres/traits.ts';
import type { Db } from '../control/db.ts';
import { clearNotice, setNotice } from '../control/notice.ts';
import { errorCatalogue } from '../model/errors.ts';
import {
  type Database,
  type DatabaseId,
  hasDeltas,
  type SyncDefinition,
  type SyncId,
} from '../model/topology.ts';
import { forEachInTurn } from './background.ts';
import type { Databases } from './databases.ts';

interface PublicationWatchOptions {
  readonly databases: Databases;
  readonly write: (work: (db: Db) => Promise<void>) => void;
}

const code = 'publication_for_all_tables';

export class PublicationWatch {
  readonly #options: PublicationWatchOptions;
  /** What was told of each database. */
  readonly #told = new Map<DatabaseId, string | null>();

  constructor(options: PublicationWatchOptions) {
    this.#options = options;
  }

  async look(sync: SyncDefinition): Promise<void> {
    const { id, members } = sync;
    const { databases } = this.#options;
    const kept = hasDeltas(sync) ? members.filter(({ role }) => role !== 'fullcopy') : [];
    await forEachInTurn(kept, async ({ database }) => {
      if (!databases.isUp(database.id)) return;
      await using loan = await databases.borrow(database.id);
      const publication = await readPublicationForAllTables(loan.session);
      if (publication !== this.#told.get(database.id)) this.#tell(id, database, publication);
    });
  }

  #tell(syncId: SyncId, database: Database, publication: string | null): void {
    this.#told.set(database.id, publication);
    const key = { syncId, databaseId: database.id, relationId: null, code };
    const { meaning, action } = errorCatalogue[code];
    const message = `${database.name} has the publication "${publication}" FOR ALL TABLES. ${meaning} ${action}`;
    this.#options.write((db) =>
      publication === null ? clearNotice(db, key) : setNotice(db, { ...key, message }),
    );
  }
}
