/**
 * Compares the clocks of sources that write the same tables, by that of the control database, which all daemons see. What is found goes into the
 * control store; what is more than clocks differ anyway is taken off the times of changes, and told where it is so much that somebody should
 * set a clock.
 *
 * As with other maintenance of a source, the daemon that holds the first of its syncs does it.
 */
import { askTime, correctClock, readAhead } from '../connectors/postgres/true-time.ts';
import { askControlTime, type DbClock, writeDbClock } from '../control/db-clock.ts';
import type { Db } from '../control/db.ts';
import { clearNotice, setNotice } from '../control/notice.ts';
import type { ControlStore } from '../control/store.ts';
import { errorCatalogue, isReplicationError } from '../model/errors.ts';
import {
  type Database,
  type DatabaseId,
  sources,
  type SyncDefinition,
  type SyncId,
} from '../model/topology.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { correctionFor, isAlarming, type Lead, leadOver, measureLead } from './clock-verdict.ts';
import type { Databases } from './databases.ts';
import { firstReader } from './maintenance.ts';

export interface ClockKeeperOptions {
  readonly store: ControlStore;
  readonly schema: string;
  readonly databases: Pick<Databases, 'borrow' | 'isUp'>;
  /** The lease of the sync is ours. */
  readonly isHeld: (sync: SyncId) => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

const code = 'clock_differs';

export class ClockKeeper {
  readonly #options: ClockKeeperOptions;

  constructor(options: ClockKeeperOptions) {
    this.#options = options;
  }

  /** One pass over all that can be reached. A failure on one does not keep the others waiting. */
  async run(syncs: readonly SyncDefinition[]): Promise<void> {
    const { databases, isHeld, store, clock, log } = this.#options;
    const contending = syncs.filter((sync) => sources(sync).length > 1);
    const all = new Map(contending.flatMap(sources).map(({ database }) => [database.id, database]));
    const own = [...all.values()].filter(
      (database) => databases.isUp(database.id) && isHeld(firstReader(contending, database)),
    );
    if (own.length === 0) return;
    const control = await store.transaction((db) => measureLead(() => askControlTime(db), clock));
    for (const database of own) {
      try {
        await this.#look(database, { control, readers: readersOf(contending, database.id) });
      } catch (error) {
        if (!isReplicationError(error)) throw error;
        log.warn('the clock of a database could not be compared', { database: database.name, error });
      }
    }
  }

  async #look(
    database: Database,
    { control, readers }: { readonly control: Lead; readonly readers: readonly SyncId[] },
  ): Promise<void> {
    const { databases, schema, clock, store, log } = this.#options;
    await using loan = await databases.borrow(database.id);
    const lead = leadOver(await measureLead(() => askTime(loan.session), clock), control);
    const before = await readAhead(loan.session, schema);
    const correction = correctionFor(before, lead);
    if (correction !== null) {
      await correctClock(loan.session, schema, correction);
      log.info('the clock of a database differs', {
        database: database.name,
        ...lead,
        correctedMs: correction,
      });
    }
    const found = { databaseId: database.id, ...lead, correctedMs: correction ?? before };
    await store.transaction((db) => tell(db, { database, found, readers }));
  }
}

const readersOf = (syncs: readonly SyncDefinition[], source: DatabaseId): SyncId[] =>
  syncs.filter((sync) => sources(sync).some(({ database }) => database.id === source)).map(({ id }) => id);

const tell = async (
  db: Db,
  {
    database,
    found,
    readers,
  }: { readonly database: Database; readonly found: DbClock; readonly readers: readonly SyncId[] },
): Promise<void> => {
  await writeDbClock(db, found);
  const { meaning, action } = errorCatalogue[code];
  const message = `The clock of ${database.name} is ${leadText(found)} that of the control database. ${meaning} ${action}`;
  for (const syncId of readers) {
    const key = { syncId, databaseId: database.id, relationId: null, code };
    await (isAlarming(found) ? setNotice(db, { ...key, message }) : clearNotice(db, key));
  }
};

const leadText = ({ aheadMs }: Pick<DbClock, 'aheadMs'>): string =>
  `${Math.round(Math.abs(aheadMs) / 100) / 10} s ${aheadMs > 0 ? 'ahead of' : 'behind'}`;
