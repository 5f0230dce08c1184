/**
 * The tables of a sync as one database has them, kept between rounds.
 *
 * A round trusts it only as far as the fingerprints read in its own snapshot agree; after any failure it is thrown
 * away and read anew, so a schema change is noticed on whichever side it happens.
 */
import { isDeepStrictEqual } from 'node:util';
import { findDisturbed } from '../../connectors/postgres/capture.ts';
import type { SourceTable } from '../../connectors/postgres/changes.ts';
import { readCaptured } from '../../connectors/postgres/captured.ts';
import { type Fingerprint, readFingerprints } from '../../connectors/postgres/fingerprint.ts';
import { isInstalled } from '../../connectors/postgres/identity.ts';
import { readTables } from '../../connectors/postgres/introspect.ts';
import { type Projections, readProjections } from '../../connectors/postgres/projection.ts';
import type { Table } from '../../connectors/postgres/table.ts';
import { ReplicationError } from '../../model/errors.ts';
import { type DatabaseId, formatRelation, type RelationId, type SyncRelation } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';

export interface CatalogTable {
  readonly id: RelationId;
  readonly table: Table;
  /** The shape of its deltas; null where nothing captures it. */
  readonly shape: number | null;
  /** As it goes to databases that get other columns. */
  readonly projections: Projections;
}

export interface Catalog {
  readonly tables: ReadonlyMap<RelationId, CatalogTable>;
  /** Those whose changes are captured. */
  readonly captured: readonly SourceTable[];
  /** By oid. Empty where the database is not a source. */
  readonly fingerprints: ReadonlyMap<string, Fingerprint>;
  /** Tables of a source whose changes are not, or not all, captured at present. */
  readonly disturbed: readonly RelationId[];
}

/** @throws ReplicationError `position_lost`, `relation_missing`, `relation_without_key`, `schema_differs`, `customcols_invalid` */
export const readCatalog = async (
  session: Session,
  options: {
    readonly schema: string;
    readonly relations: readonly SyncRelation[];
    readonly oldestVersion: number;
    readonly isSource: boolean;
    /** The databases for which it is read there. */
    readonly written: ReadonlySet<DatabaseId>;
  },
): Promise<Catalog> => {
  if (!(await isInstalled(session, options.schema))) throw withoutSchema(session, options.schema);
  const wanted = options.relations.filter(({ kind }) => kind === 'table');
  const found = await readTables(session, wanted, options);
  const captured = await readCaptured(session, options.schema);
  const judge = (relation: SyncRelation, table: Table | null): Omit<CatalogTable, 'projections'> => {
    if (table === null) throw missing(session, relation);
    if (table.key === null) throw withoutKey(session, table);
    const capture = captured.get(relation.id);
    if (capture === undefined && !options.isSource) return { id: relation.id, table, shape: null };
    const keyColumns = table.key.columns.map(({ name }) => name);
    if (capture === undefined || !isDeepStrictEqual(capture.keyColumns, keyColumns))
      throw notCaptured(session, table);
    return { id: relation.id, table, shape: capture.shape };
  };
  const tables: CatalogTable[] = [];
  for (const [index, relation] of wanted.entries()) {
    const judged = judge(relation, found[index] ?? null);
    const customCols = options.isSource
      ? relation.customCols.filter(({ database }) => options.written.has(database))
      : [];
    const projections = await readProjections(session, judged.table, {
      customCols,
      oldestVersion: options.oldestVersion,
      database: session.label,
      replaced: new Set(),
    });
    tables.push({ ...judged, projections });
  }
  const oids = tables.map(({ table }) => table.oid);
  const { schema, isSource } = options;
  return {
    tables: new Map(tables.map((table) => [table.id, table])),
    captured: tables.filter((table): table is CatalogTable & SourceTable => table.shape !== null),
    fingerprints: isSource ? await readFingerprints(session, schema, oids) : new Map(),
    disturbed: isSource ? await findDisturbed(session, { schema, tables: mergedAs(wanted, tables) }) : [],
  };
};

const mergedAs = (relations: readonly SyncRelation[], tables: readonly CatalogTable[]) =>
  tables.map(({ id, table }) => ({
    id,
    table,
    merge: relations.find((relation) => relation.id === id)?.merge ?? null,
  }));

const withoutSchema = (session: Session, schema: string): ReplicationError =>
  new ReplicationError('position_lost', {
    message: `${session.label} has no schema "${schema}" any more: it was restored without it, or made anew. How far it has read the others cannot be told.`,
    facts: { database: session.label },
  });

const missing = (session: Session, { relation }: SyncRelation): ReplicationError =>
  new ReplicationError('relation_missing', {
    message: `${session.label}: there is no table ${formatRelation(relation)}.`,
    facts: { database: session.label, table: formatRelation(relation) },
  });

const withoutKey = (session: Session, table: Table): ReplicationError =>
  new ReplicationError('relation_without_key', {
    message: `${session.label}: ${formatRelation(table.relation)} has no key any more: ${table.keyProblem}.`,
    facts: { database: session.label, table: formatRelation(table.relation) },
  });

const notCaptured = (session: Session, table: Table): ReplicationError =>
  new ReplicationError('schema_differs', {
    message: `${session.label}: the changes of ${formatRelation(table.relation)} are not captured under its present key.`,
    hint: 'Take the table out of its relgroup and add it again; then ask for a copy (onetimecopy=1), for what was changed meanwhile is not known.',
    facts: { database: session.label, table: formatRelation(table.relation) },
  });
