/** A source in a round: its reader, what it said at the beginning, and whether its positions still mean anything. */
import type { SourceTable, Window } from '../../connectors/postgres/changes.ts';
import { type Lineage, readLineage } from '../../connectors/postgres/lineage.ts';
import type { Position } from '../../connectors/postgres/position.ts';
import { judgePosition, whatStandbyIs } from '../../connectors/postgres/position-verdict.ts';
import { type Opening, PostgresReader, type RowReader } from '../../connectors/postgres/reader.ts';
import { ReplicationError } from '../../model/errors.ts';
import { type Database, type SyncDefinition, sources } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import type { Catalog } from './catalog.ts';

export interface OpenSource {
  readonly database: Database;
  readonly reader: RowReader;
  readonly opening: Opening;
  readonly lineage: Lineage;
  readonly catalog: Catalog;
  /** What is captured of the sync. */
  readonly tables: readonly SourceTable[];
}

/** Whoever has opened it also ends it. */
export interface OwnSource extends OpenSource {
  readonly reader: PostgresReader;
}

export const openSource = async (options: {
  readonly session: Session;
  readonly schema: string;
  readonly sync: SyncDefinition;
  readonly database: Database;
  readonly catalog: Catalog;
  /** Where changes will be looked for, as far as can be foreseen. */
  readonly window: Window | null;
}): Promise<OwnSource> => {
  const { session, schema, sync, database, catalog, window } = options;
  const tables = catalog.captured;
  const lineage = await lineageOf(session, schema);
  if (lineage.isInRecovery) throw standby(database);
  const reader = new PostgresReader(session, schema);
  const isForeseen = window !== null && tables.length > 0;
  const opening = await reader.begin(sync.id, isForeseen ? { tables, window } : null);
  const { incarnation, lsn } = opening;
  return { database, reader, opening, lineage: { ...lineage, incarnation, lsn }, catalog, tables };
};

const standby = ({ name }: Database): ReplicationError =>
  new ReplicationError('server_unsupported', {
    message: `${name} ${whatStandbyIs}.`,
    facts: { database: name },
  });

/** Read once for each connection, which cannot move to another server; what changes meanwhile comes with each opening. */
const lineageOf = async (session: Session, schema: string): Promise<Lineage> => {
  const known = session.memory.get('lineage') as Lineage | undefined;
  if (known !== undefined) return known;
  const lineage = await readLineage(session, schema);
  // Connections stay open when a standby is promoted.
  if (!lineage.isInRecovery) session.memory.set('lineage', lineage);
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
  const { database, lineage, opening } = source;
  const floors = opening.floors.get(reader.id);
  const verdict = judgePosition({ position, lineage, snapshot: opening.snapshot, floors });
  if (verdict === null) return null;
  if (verdict.code === 'position_lost') return positionLost({ source: database, reader, sync, ...verdict });
  const message = `${database.name} ${verdict.what}.`;
  return new ReplicationError(verdict.code, { message, facts: { database: database.name } });
};

/** What the source kept for the reader was given up, and has gone since: it is copied to. */
export const isGivenUp = (source: OpenSource, position: Position, reader: Database): boolean => {
  const { lineage, opening } = source;
  if (!opening.released.has(reader.id)) return false;
  const floors = opening.floors.get(reader.id);
  return judgePosition({ position, lineage, snapshot: opening.snapshot, floors })?.isGap === true;
};

/** The advice says which side would be copied: the operator has to choose it, and rows may be lost by the choice. */
export const positionLost = (lost: {
  readonly source: Database;
  readonly reader: Database;
  readonly sync: SyncDefinition;
  readonly what: string;
  readonly advice: string;
}): ReplicationError => {
  const { source, reader, sync, what, advice } = lost;
  const first = sources(sync)[0]?.database.name ?? source.name;
  return new ReplicationError('position_lost', {
    message: `${source.name} ${what}, so the position of ${reader.name} is of no use there any more.`,
    hint:
      `${advice}If ${first} has the right rows: tahr update sync ${sync.name} onetimecopy=1. It copies ${first} to the others and deletes rows that ${first} lacks. ` +
      `If another source has them, put it first: tahr update dbgroup ${sync.dbgroup} with that source in the first place; then the same.`,
    facts: { source: source.name, database: reader.name },
  });
};
