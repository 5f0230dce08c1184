/** How sequences are defined, and what the role may do with them: read when a sync is validated. */
import { formatRelation, type RelationName } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';
import { type InterleavedSequence, readInterleaved } from './interleave.ts';

export interface SequenceFacts {
  /** Where it is interleaved: what it counted by before. */
  readonly increment: bigint;
  readonly minimum: bigint;
  readonly maximum: bigint;
  readonly isCyclic: boolean;
  readonly type: string;
  /** As what it is interleaved on this database now, by whichever sync. */
  readonly interleaved: InterleavedSequence | null;
  readonly mayRead: boolean;
  readonly maySet: boolean;
  /** The role may alter it. */
  readonly isOwner: boolean;
}

/** In the order of the names; null where there is no such sequence. */
export const readSequenceFacts = async (
  session: Session,
  schema: string,
  names: readonly RelationName[],
): Promise<(SequenceFacts | null)[]> => {
  const interleaved = new Map(
    [...(await readInterleaved(session, schema)).values()].map((one) => [formatRelation(one.relation), one]),
  );
  const rows = await session.query(sql`
    select q.seqincrement as increment, q.seqmin as minimum, q.seqmax as maximum, q.seqcycle as is_cyclic,
           format_type(q.seqtypid, null) as type, pg_has_role(c.relowner, 'USAGE') as is_owner,
           has_schema_privilege(n.oid, 'USAGE') and has_sequence_privilege(c.oid, 'SELECT') as may_read,
           has_schema_privilege(n.oid, 'USAGE') and has_sequence_privilege(c.oid, 'UPDATE') as may_set
      from unnest(${names.map(({ schema: own }) => own)}::text[], ${names.map(({ name }) => name)}::text[])
           with ordinality as wanted (schema, name, place)
      left join pg_namespace n on n.nspname = wanted.schema
      left join pg_class c on c.relnamespace = n.oid and c.relname = wanted.name
      left join pg_sequence q on q.seqrelid = c.oid
     order by wanted.place`);
  return rows.map((row, index) => {
    const increment = row['increment'];
    if (increment === null || increment === undefined) return null;
    const known = interleaved.get(formatRelation(names[index] as RelationName)) ?? null;
    return {
      increment: known?.increment ?? BigInt(increment),
      minimum: BigInt(row['minimum'] ?? ''),
      maximum: BigInt(row['maximum'] ?? ''),
      isCyclic: row['is_cyclic'] === 't',
      type: row['type'] as string,
      interleaved: known,
      mayRead: row['may_read'] === 't',
      maySet: row['may_set'] === 't',
      isOwner: row['is_owner'] === 't',
    };
  });
};
