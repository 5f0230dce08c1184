/**
 * Table `conflict` of a replicated database: decided conflicts, until they are in the conflict log of the control
 * store. A record is deleted only after it has arrived there; to deliver it twice does no harm.
 */
import type { DatabaseId, RelationId, SyncId } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';

export interface OutgoingConflict {
  readonly id: string;
  readonly syncId: SyncId;
  readonly relationId: RelationId;
  readonly kind: string;
  readonly key: string;
  /** Null: nobody has won, a person has to decide. */
  readonly winner: DatabaseId | null;
  readonly strategy: string;
  /** The text of a JSON document; it is passed on as it is. */
  readonly versions: string;
  /** Milliseconds since 1970. */
  readonly decidedAt: number;
}

/** The oldest of these syncs: as many as the count and the bytes of their texts allow, and at least one. */
export const readConflicts = async (
  session: Session,
  {
    schema,
    syncs,
    countMax,
    bytesMax,
  }: {
    readonly schema: string;
    readonly syncs: readonly SyncId[];
    readonly countMax: number;
    readonly bytesMax: number;
  },
): Promise<OutgoingConflict[]> => {
  const rows = await session.query(sql`
    select id, sync, tbl, kind, key, winner, strategy, versions, decided_at
      from (
        select *, sum(bytes) over (order by decided_at, id) - bytes as bytes_before
          from (
            select id, sync, tbl, kind, key, winner, strategy, versions::text,
                   extract(epoch from decided_at) * 1000 as decided_at,
                   octet_length(key) + octet_length(versions::text) as bytes
              from ${sql.id(schema, 'conflict')}
             where sync = any (${syncs}::uuid[])
             order by decided_at, id
             limit ${countMax}::integer
          ) oldest
      ) sized
     where bytes_before < ${bytesMax}::bigint
     order by decided_at, id`);
  return rows.map((row) => ({
    id: row['id'] as string,
    syncId: row['sync'] as SyncId,
    relationId: Number(row['tbl']) as RelationId,
    kind: row['kind'] as string,
    key: row['key'] as string,
    winner: row['winner'] === null ? null : (Number(row['winner']) as DatabaseId),
    strategy: row['strategy'] as string,
    versions: row['versions'] as string,
    decidedAt: Number(row['decided_at']),
  }));
};

/** They have arrived. */
export const deleteConflicts = async (
  session: Session,
  { schema, ids }: { readonly schema: string; readonly ids: readonly string[] },
): Promise<void> => {
  await session.query(sql`delete from ${sql.id(schema, 'conflict')} where id = any (${ids}::uuid[])`);
};
