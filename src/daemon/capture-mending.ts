/** Captures tables again whose triggers are not as they should be, while applications go on. */
import { findDisturbed, installCapture } from '../connectors/postgres/capture.ts';
import { type Fingerprint, readFingerprints } from '../connectors/postgres/fingerprint.ts';
import { readTables } from '../connectors/postgres/introspect.ts';
import type { RelationId, RelationName, SyncRelation } from '../model/topology.ts';
import type { Session } from '../pg/session.ts';

export interface CapturedAgain {
  readonly id: RelationId;
  readonly relation: RelationName;
  readonly oid: string;
  readonly fingerprint: Fingerprint;
}

/**
 * Of these tables those that were in need of it. One that is not there, or has another key than before, is left to the rounds,
 * which stop by its name.
 * @throws ReplicationError `privilege_missing`, `given_way` when a table was busy for a minute
 */
export const captureAgain = async (
  session: Session,
  {
    schema,
    relations,
    signal,
  }: {
    readonly schema: string;
    readonly relations: readonly SyncRelation[];
    readonly signal: AbortSignal;
  },
): Promise<CapturedAgain[]> => {
  const found = await readTables(session, relations, { schema, oldestVersion: session.serverVersion });
  const candidates = relations.flatMap(({ id, merge }, index) => {
    const table = found[index] ?? null;
    return table === null || table.key === null ? [] : [{ id, table, merge }];
  });
  const disturbed = new Set(await findDisturbed(session, { schema, tables: candidates }));
  const tables = candidates.filter(({ id }) => disturbed.has(id));
  if (tables.length === 0) return [];
  await installCapture(session, { schema, tables, signal });
  const oids = tables.map(({ table }) => table.oid);
  const fingerprints = await readFingerprints(session, schema, oids);
  return tables.flatMap(({ id, table: { oid, relation } }) => {
    const fingerprint = fingerprints.get(oid);
    return fingerprint === undefined ? [] : [{ id, relation, oid, fingerprint }];
  });
};
