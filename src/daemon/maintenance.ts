/**
 * What every source database needs now and then, whether its syncs are at work or not: readers' positions are
 * acknowledged, delta segments are rotated, and the deadline of capture is put off.
 *
 * A position is acknowledged as it was read from the database that was written, so never before it was durable there.
 *
 * Acknowledgements are for each sync by the daemon that holds its lease; to give one twice, or late, does no harm, for they only
 * go forward. What concerns the whole source is for one daemon: the one that holds the first of the syncs that read it. Two that rotate at
 * once would lose nothing either (what somebody may still read is never truncated), but capture that two begin again at
 * once could make two gaps.
 */
import { acknowledge } from '../connectors/postgres/consumer.ts';
import { keepCapturing } from '../connectors/postgres/deadline.ts';
import { type Position, readPositions } from '../connectors/postgres/position.ts';
import { rotateSegments } from '../connectors/postgres/segments.ts';
import { isReplicationError } from '../model/errors.ts';
import {
  type Database,
  type DatabaseId,
  hasDeltas,
  sources,
  type SyncDefinition,
  type SyncId,
} from '../model/topology.ts';
import type { Sql } from '../pg/sql.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { acknowledgementsOf, readersOf } from './acknowledgements.ts';
import type { Databases } from './databases.ts';

export interface MaintenanceOptions {
  readonly schema: string;
  readonly databases: Pick<Databases, 'borrow' | 'isUp'>;
  /** The lease of the sync is ours. */
  readonly isHeld: (sync: SyncId) => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

export class Maintenance {
  readonly #options: MaintenanceOptions;
  /** By `Clock.elapsed`. */
  readonly #switchedAt = new Map<DatabaseId, number>();

  constructor(options: MaintenanceOptions) {
    this.#options = options;
  }

  /** One pass over all sources that can be reached. A failure on one does not keep the others waiting. */
  async run(syncs: readonly SyncDefinition[]): Promise<void> {
    const { databases, isHeld, log } = this.#options;
    const reading = syncs.filter(hasDeltas);
    const held = reading.filter(({ id }) => isHeld(id));
    const positions = await this.#collect(held);
    const all = new Map(held.flatMap(sources).map(({ database }) => [database.id, database]));
    for (const source of all.values()) {
      if (!databases.isUp(source.id)) continue;
      try {
        await this.#acknowledge(source, positions.get(source.id) ?? []);
        if (isHeld(firstReader(reading, source))) await this.#keep(source);
      } catch (error) {
        if (!isReplicationError(error)) throw error;
        log.warn('maintenance failed', { database: source.name, error });
      }
    }
  }

  /** By source: what its consumers have durably applied. */
  async #collect(syncs: readonly SyncDefinition[]): Promise<Map<DatabaseId, Sql[]>> {
    const { schema } = this.#options;
    const collected = new Map<DatabaseId, Sql[]>();
    for (const sync of syncs)
      for (const { reader, position } of acknowledgementsOf(sync, await this.#positions(sync))) {
        const { source, snapshot, lineage } = position;
        const consumer = { sync: sync.id, database: reader };
        const statement = acknowledge(schema, consumer, { snapshot, incarnation: lineage.incarnation });
        collected.set(source, [...(collected.get(source) ?? []), statement]);
      }
    return collected;
  }

  /** One after the other, as `acknowledgementsOf` needs it. */
  async #positions(sync: SyncDefinition): Promise<Map<DatabaseId, readonly Position[]>> {
    const { databases, schema } = this.#options;
    const positions = new Map<DatabaseId, readonly Position[]>();
    for (const { database } of readersOf(sync)) {
      if (!databases.isUp(database.id)) continue;
      try {
        await using loan = await databases.borrow(database.id);
        positions.set(database.id, await readPositions(loan.session, schema, sync.id));
      } catch (error) {
        if (!isReplicationError(error)) throw error;
      }
    }
    return positions;
  }

  async #acknowledge(source: Database, acknowledgements: readonly Sql[]): Promise<void> {
    if (acknowledgements.length === 0) return;
    await using loan = await this.#options.databases.borrow(source.id);
    await loan.session.script(...acknowledgements);
  }

  async #keep(source: Database): Promise<void> {
    const { databases, schema, clock, log } = this.#options;
    await using loan = await databases.borrow(source.id);
    const { session } = loan;
    const since = this.#switchedAt.get(source.id) ?? clock.elapsed();
    const { switchedTo, truncatedCount, bytes } = await rotateSegments(session, {
      schema,
      ageMs: clock.elapsed() - since,
    });
    this.#switchedAt.set(source.id, switchedTo === null ? since : clock.elapsed());
    if (truncatedCount > 0)
      log.debug('delta segments emptied', { database: source.name, truncatedCount, bytes });
    const state = await keepCapturing(session, schema);
    if (state === 'resumed') {
      log.error('capture had ended and goes on: changes in between were not captured', {
        database: source.name,
      });
    }
  }
}

/** The sync whose daemon looks after a source: the same for all daemons. */
export const firstReader = (syncs: readonly SyncDefinition[], source: Database): SyncId =>
  syncs
    .filter((sync) => sources(sync).some(({ database }) => database.id === source.id))
    .map(({ id }) => id)
    .reduce((first, id) => (id < first ? id : first));
