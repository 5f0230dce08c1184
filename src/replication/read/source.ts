/** A source in a round: its reader, what it said at the beginning, and whether its positions still mean anything. */
import { canServe } from '../../connectors/postgres/consumer.ts';
import { judgeLineage, type Lineage, readLineage } from '../../connectors/postgres/lineage.ts';
import { parseSnapshot, type Position } from '../../connectors/postgres/position.ts';
import { type Opening, PostgresReader } from '../../connectors/postgres/reader.ts';
import { ReplicationError, unreachable } from '../../model/errors.ts';
import { type Database, type SyncDefinition, sources } from '../../model/topology.ts';
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
 * Why the position of `reader` does not fit this source as it is now; null when it does.
 * @param sync named in the advice
 */
export const positionProblem = (
  source: OpenSource,
  {
    position,
    reader,
    sync,
  }: { readonly position: Position; readonly reader: Database; readonly sync: SyncDefinition },
): ReplicationError | null => {
  const { xmax } = parseSnapshot(position.snapshot);
  const now = parseSnapshot(source.opening.snapshot).xmax;
  const verdict = judgeLineage({ ...position.lineage, xmax }, { ...source.lineage, xmax: now });
  const lost = (what: string): ReplicationError =>
    positionLost({ source: source.database, reader, sync, what });
  switch (verdict) {
    case 'same':
    case 'upgraded':
      if (canServe(position.snapshot, source.opening.floors.get(reader.id))) return null;
      return lost('had to discard changes that were not read yet, or was set up again');
    case 'standby':
      return new ReplicationError('server_unsupported', {
        message: `${source.database.name} is in recovery: a standby does not tell which transactions are in progress, so it cannot be a source.`,
        facts: { database: source.database.name },
      });
    case 'rewound':
      return lost(
        'was set back to an earlier state: restored, promoted from a standby that missed the end, or rolled back',
      );
    case 'cloned':
      return lost('is a copy of the database that was read before, in the same cluster');
    case 'restored':
      return lost('was made by dump and restore; its transactions have other numbers');
    default:
      return unreachable(verdict);
  }
};

/** The advice says which side would be copied: the operator has to choose it, and rows may be lost by the choice. */
export const positionLost = (lost: {
  readonly source: Database;
  readonly reader: Database;
  readonly sync: SyncDefinition;
  readonly what: string;
}): ReplicationError => {
  const { source, reader, sync, what } = lost;
  const first = sources(sync)[0]?.database.name ?? source.name;
  return new ReplicationError('position_lost', {
    message: `${source.name} ${what}, so the position of ${reader.name} is of no use there any more.`,
    hint:
      `If ${first} has the right rows: tahr update sync ${sync.name} onetimecopy=1. It copies ${first} to the others and deletes rows that ${first} lacks. ` +
      `If another source has them, put it first: tahr update dbgroup ${sync.dbgroup} with that source in the first place; then the same.`,
    facts: { source: source.name, database: reader.name },
  });
};
