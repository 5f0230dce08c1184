/** A replicated table as one database has it: what introspection reads and everything else in this room builds on. */
import type { RelationName } from '../../model/topology.ts';

export interface Column {
  readonly name: string;
  /** `format_type` with modifiers, schema-qualified where it is not in pg_catalog. */
  readonly type: string;
  /** The type below all domains, without modifiers, schema-qualified where it is not in pg_catalog. */
  readonly baseType: string;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  /** Generated columns are computed by each database and never sent. */
  readonly isGenerated: boolean;
  readonly identity: 'none' | 'always' | 'default';
  /** How the value travels: as the type's binary form, or as text inside the binary stream (engine rule R8). */
  readonly transport: 'binary' | 'text';
}

export interface KeyColumn {
  readonly name: string;
  /** The type of the delta's column: the widest of the family (int2, int4, int8: `bigint`; varchar, name: `text`). */
  readonly deltaType: string;
  /** False where two values can be equal and yet have different bytes: numeric, citext, char(n), interval … */
  readonly equalityIsBytes: boolean;
}

export interface TableKey {
  /** The index that makes it unique. */
  readonly index: string;
  readonly columns: readonly KeyColumn[];
}

export interface UniqueIndex {
  readonly name: string;
  readonly columns: readonly string[];
  readonly isDeferrable: boolean;
}

export interface Table {
  readonly relation: RelationName;
  readonly oid: string;
  /** `tree`: has inheritance parents or children and is not partitioned. `partition`: is itself a partition. */
  readonly kind: 'plain' | 'partitioned' | 'tree' | 'partition';
  readonly columns: readonly Column[];
  readonly key: TableKey | null;
  /** Why there is no key, for people; null where there is one. */
  readonly keyProblem: string | null;
  /** Unique indexes other than the key, expression and partial ones left out. */
  readonly uniqueIndexes: readonly UniqueIndex[];
  /** Triggers, rules and foreign keys that would fire for our rows without replica role. */
  readonly firesWithoutReplicaRole: readonly string[];
  readonly isOwner: boolean;
  readonly hasRowSecurity: boolean;
  /** Fed by a native subscription, whose apply worker fires row triggers only. */
  readonly isSubscribed: boolean;
  /** Changes whenever a column, the key or the inheritance changes. */
  readonly fingerprint: string;
}

/** The columns that are sent: all but the generated ones. */
export const sentColumns = (table: Table): readonly Column[] => table.columns.filter((column) => !column.isGenerated);
