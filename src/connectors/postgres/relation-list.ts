/** Which tables and sequences a database has, for choosing among them by name; what they look like is for `introspect`. */
import type { RelationKind, RelationName } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';

export interface ListedRelation extends RelationName {
  /** `other` cannot be replicated: a view, a materialized view, a foreign table. */
  readonly kind: RelationKind | 'other';
  /** What PostgreSQL calls it: `table`, `view` … */
  readonly description: string;
  /** Replicated as part of its parent, and so left out where everything is chosen. */
  readonly isPartition: boolean;
  /** Belongs to an extension, which creates it wherever it is installed. */
  readonly isOfExtension: boolean;
}

const described: Readonly<Record<string, readonly [ListedRelation['kind'], string]>> = {
  r: ['table', 'table'],
  p: ['table', 'partitioned table'],
  S: ['sequence', 'sequence'],
  v: ['other', 'view'],
  m: ['other', 'materialized view'],
  f: ['other', 'foreign table'],
};

/**
 * All relations outside of the system's schemas, by schema and name. Schemas that hold an installation of Tahr
 * (this one or another: known by the table `identity` or, for a control store, `migration` and `daemon`) are no
 * user data and are left out.
 */
export const listUserRelations = async (session: Session): Promise<ListedRelation[]> => {
  const rows = await session.query(sql`
    select n.nspname as schema, c.relname as name, c.relkind as kind, c.relispartition as "isPartition",
           exists (select from pg_depend d
                    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e') as "ofExtension"
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'S', 'v', 'm', 'f')
       and c.relpersistence <> 't'
       and n.nspname <> 'information_schema'
       and n.nspname !~ '^pg_'
       and not exists (select from pg_class o
                        where o.relnamespace = n.oid
                          and o.relname in ('identity', 'captured', 'consumer', 'floor')
                       having count(*) = 4)
       and not exists (select from pg_class o
                        where o.relnamespace = n.oid
                          and o.relname in ('installation', 'migration', 'daemon', 'sync_state')
                       having count(*) = 4)
     order by n.nspname, c.relname`);
  return rows.map((row) => {
    const [kind, description] = described[row['kind'] ?? ''] ?? (['other', 'relation'] as const);
    return {
      schema: row['schema'] ?? '',
      name: row['name'] ?? '',
      kind,
      description,
      isPartition: row['isPartition'] === 't',
      isOfExtension: row['ofExtension'] === 't',
    };
  });
};
