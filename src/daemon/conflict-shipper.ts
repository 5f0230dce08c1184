/**
 * Moves decided conflicts from the databases on which they were recorded to the conflict log of the control store. Each daemon
 * those of its own syncs; two that move the same do no harm, for a record has an id and arrives once.
 */
import { appendConflicts } from '../control/conflict-log.ts';
import type { ControlStore } from '../control/store.ts';
import {
  deleteConflicts,
  type OutgoingConflict,
  readConflicts,
} from '../connectors/postgres/conflict-outbox.ts';
import { type Database, sources, type SyncDefinition, type SyncId } from '../model/topology.ts';
import type { Reached } from '../replication/fault-point.ts';
import { forEachInTurn } from './background.ts';
import type { Databases } from './databases.ts';

export interface ConflictShipping {
  readonly store: ControlStore;
  readonly databases: Databases;
  readonly schema: string;
  readonly syncs: readonly SyncDefinition[];
  readonly reached: Reached;
}

/** So little that what is left of it is collected while it is young: of pages ten times as large the heap grew by 60 MB. */
const page = { countMax: 100, bytesMax: 2 ** 20 };

/** Everything that is there now, from the databases that can be reached. One that fails does not keep the others waiting. */
export const shipConflicts = async (shipping: ConflictShipping): Promise<void> => {
  const syncs = new Map<Database['id'], { database: Database; ids: SyncId[] }>();
  // With one source there are no two versions that know nothing of each other.
  for (const sync of shipping.syncs.filter((candidate) => sources(candidate).length > 1)) {
    for (const { database } of sync.members.filter(({ role }) => role !== 'fullcopy')) {
      const known = syncs.get(database.id) ?? { database, ids: [] };
      syncs.set(database.id, { database, ids: [...known.ids, sync.id] });
    }
  }
  await forEachInTurn(syncs.values(), async ({ database, ids }) => {
    if (shipping.databases.isUp(database.id)) await shipFrom(shipping, database, ids);
  });
};

const shipFrom = async (
  { store, databases, schema, reached }: ConflictShipping,
  database: Database,
  syncs: readonly SyncId[],
): Promise<void> => {
  await using loan = await databases.borrow(database.id);
  const next = (): Promise<OutgoingConflict[]> => readConflicts(loan.session, { schema, syncs, ...page });
  for (let conflicts = await next(); conflicts.length > 0; conflicts = await next()) {
    await store.transaction((db) => appendConflicts(db, { database: database.name, conflicts }));
    await reached('conflicts_logged', database);
    await deleteConflicts(loan.session, { schema, ids: conflicts.map(({ id }) => id) });
  }
};
