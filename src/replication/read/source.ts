/** A source in a round: its reader, what it said at the beginning, and whether its positions still mean anything. */
import { canServe } from '../../connectors/postgres/consumer.ts';
import { judgeLineage, type Lineage, readLineage } from '../../connectors/postgres/lineage.ts';
import { parseSnapshot, type Position } from '../../connectors/postgres/position.ts';
import { type Opening, PostgresReader } from '../../connectors/postgres/reader.ts';
import { ReplicationError, unreachable } from '../../model/errors.ts';
import type { Database, SyncDefinition } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import type { Catalog } from './catalog.ts';

export interface OpenSource {
  readonly database: Database;
  readonly reader: PostgresReader;
  readonly opening: Opening;
  readonly lineage: Lineage;
  readonly catalog: Catalog;
}

export const openSource = async (options: {
  readonly session: Session;
  readonly schema: string;
  readonly sync: SyncDefinition;
  readonly database: Database;
  readonly catalog: Catalog;
}): Promise<OpenSource> => {
  const { session, schema, sync, database, catalog } = options;
  const lineage = await lineageOf(session, schema);
  const reader = new PostgresReader(session, schema);
  const opening = await reader.begin(sync.id);
  return { database, reader, opening, lineage, catalog };
};

/** Read once for each connection: a connection cannot move to another server. */
const lineageOf = async (session: Session, schema: string): Promise<Lineage> => {
  const known = session.memory.get('lineage') as Lineage | undefined;
  if (known !== undefined) return known;
  const lineage = await readLineage(session, schema);
  session.memory.set('lineage', lineage);
  return lineage;
};

/**
 * The position of `reader` fits this source as it is now.
 * @throws ReplicationError `position_lost`, `server_unsupported`
 */
export const assertPositionHolds = (source: OpenSource, position: Position, reader: Database): void => {
  const { xmax } = parseSnapshot(position.snapshot);
  const now = parseSnapshot(source.opening.snapshot).xmax;
  const verdict = judgeLineage({ ...position.lineage, xmax }, { ...source.lineage, xmax: now });
  switch (verdict) {
    case 'same':
    case 'upgraded':
      if (canServe(position.snapshot, source.opening.floors.get(reader.id))) return;
      throw lost(source, reader, 'had to discard changes that were not read yet, or was set up again');
    case 'standby':
      throw new ReplicationError('server_unsupported', {
        message: `${source.database.name} is in recovery: a standby does not tell which transactions are in progress, so it cannot be a source.`,
        facts: { database: source.database.name },
      });
    case 'rewound':
      throw lost(
        source,
        reader,
        'was set back to an earlier state: restored, promoted from a standby that missed the end, or rolled back',
      );
    case 'cloned':
      throw lost(source, reader, 'is a copy of the database that was read before, in the same cluster');
    case 'restored':
      throw lost(source, reader, 'was made by dump and restore; its transactions have other numbers');
    default:
      unreachable(verdict);
  }
};

const lost = (source: OpenSource, reader: Database, what: string): ReplicationError =>
  new ReplicationError('position_lost', {
    message: `${source.database.name} ${what}, so the position of ${reader.name} is of no use there any more.`,
    facts: { source: source.database.name, database: reader.name },
  });
