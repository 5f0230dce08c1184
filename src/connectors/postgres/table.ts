/** A replicated table as one database has it: what introspection reads and everything else in this room builds on. */
import type { RelationName } from '../../model/topology.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import type { CompositeType } from './composite.ts';
import type { DeferrableConstraint } from './deferrable.ts';

export interface Column {
  readonly name: string;
  /** `format_type` with modifiers, schema-qualified where it is not in pg_catalog. */
  readonly type: string;
  /** The type below all domains, without modifiers, schema-qualified where it is not in pg_catalog. */
  readonly baseType: string;
  /** The type below all domains, with modifiers: `numeric(10,2)`. */
  readonly storedType: string;
  /** The composite types inside it, however deep: their values travel by the places of the attributes. */
  readonly composites: readonly CompositeType[];
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
  /** SQL after the delta's column that makes it a value which the key's index understands; see `keyValue`. */
  readonly deltaSuffix: string;
  /** SQL after the table's column that takes it out of its domain, which operators for any enum do not; often empty. */
  readonly domainSuffix: string;
  /** Equality as the key's index understands it, with its schema: `operator(pg_catalog.=)`. */
  readonly equals: string;
  /** False where two values can be equal and yet have different bytes: numeric, citext, char(n), interval … */
  readonly equalityIsBytes: boolean;
}

/** A unique index as something that names rows. */
export interface TableKey {
  /** The index that makes it unique. */
  readonly index: string;
  /** A deferrable key is no arbiter for ON CONFLICT, and replica role does not check it (engine rule §6). */
  readonly isDeferrable: boolean;
  readonly columns: readonly KeyColumn[];
}

/** What an operator has written after SELECT. */
export interface Chosen {
  /**
   * `columns`: what is read of a row in the place of its columns. `query`: a SELECT that is complete by itself, in which the table is
   * known by its name without a schema.
   */
  readonly kind: 'columns' | 'query';
  readonly text: string;
}

export interface Table {
  readonly relation: RelationName;
  readonly oid: string;
  /** `tree`: has inheritance parents or children and is not partitioned. `partition`: is itself a partition. */
  readonly kind: 'plain' | 'partitioned' | 'tree' | 'partition';
  readonly columns: readonly Column[];
  /** What is read in the place of what is stored; null: that is meant. */
  readonly chosen: Chosen | null;
  readonly key: TableKey | null;
  /** Why there is no key, for people; null where there is one. */
  readonly keyProblem: string | null;
  /** Unique indexes other than the key, expression and partial ones left out. */
  readonly uniqueIndexes: readonly TableKey[];
  readonly deferrable: readonly DeferrableConstraint[];
  /** Triggers, rules and foreign keys that would fire for our rows without replica role. */
  readonly firesWithoutReplicaRole: readonly string[];
  /** A BEFORE ROW trigger or an INSTEAD rule, enabled ALWAYS or REPLICA, may keep our rows out or change them. */
  readonly firesInReplicaRole: boolean;
  /** ON CONFLICT is refused: by a deferrable constraint, or by a rule even while it does not fire. */
  readonly refusesOnConflict: boolean;
  readonly isOwner: boolean;
  /** Row-level security would hide rows from this role. */
  readonly hasRowSecurity: boolean;
  /** Fed by a native subscription, whose apply worker fires row triggers only. */
  readonly isSubscribed: boolean;
  /** Changes whenever a column, a type inside it, a unique or deferrable constraint, the inheritance or `firesInReplicaRole` changes. */
  readonly fingerprint: string;
}

/** All unique indexes, the key first. */
const uniqueIndexesOf = (table: Table): readonly TableKey[] =>
  table.key === null ? table.uniqueIndexes : [table.key, ...table.uniqueIndexes];

/** The unique index over these columns, in whichever order; the key where it is the one. */
export const uniqueOver = (table: Table, columns: readonly string[]): TableKey | undefined =>
  uniqueIndexesOf(table).find(
    (index) =>
      index.columns.length === columns.length && index.columns.every(({ name }) => columns.includes(name)),
  );

/** The columns that are sent: all but the generated ones. */
export const sentColumns = (table: Table): readonly Column[] =>
  table.columns.filter((column) => !column.isGenerated);

/** A delta's column (`d.k1`) as a value of the table's key: for joins, and for `distinct` by the type's own equality. */
export const keyValue = (column: KeyColumn, delta: Sql): Sql =>
  column.deltaSuffix === '' ? delta : sql`(${delta}${sql.verbatim(column.deltaSuffix)})`;

/** A row's column (`t.id`) as a value of the key. */
export const keyOf = (column: KeyColumn, row: Sql): Sql =>
  sql`${row}.${sql.id(column.name)}${sql.verbatim(column.domainSuffix)}`;

/**
 * True where the row is the one that the delta names; the key's index serves it. `table` and `delta` are aliases.
 * The delta's columns are `k1`, `k2` … in the order of the key.
 */
export const keyMatches = (key: TableKey, table: Sql, delta: Sql): Sql =>
  sql.join(
    key.columns.map((column, index) => {
      const value = keyValue(column, sql`${delta}.${deltaColumn(index)}`);
      return sql`${keyOf(column, table)} ${sql.verbatim(column.equals)} ${value}`;
    }),
    ' and ',
  );

/** The outer join found a row of the table. (A composite value with a NULL in it is neither NULL nor not NULL.) */
export const isThere = (table: Sql): Sql => sql`(${table}.ctid is not null)`;

/** The delta's column for the key column at this place, counted from 0. */
export const deltaColumn = (index: number): Sql => sql.id(`k${index + 1}`);

/** The table in a FROM list. `only` keeps inheritance children out; a partitioned table is nothing but its partitions. */
export const relationOf = ({ kind, relation }: Table): Sql => {
  const name = sql.id(relation.schema, relation.name);
  return kind === 'partitioned' ? name : sql`only ${name}`;
};

/**
 * Its rows in a FROM list, as they were chosen: those for which a condition holds that an operator has written; null: all. What an
 * operator has written may name the table, and a comment in it ends with the line. Rows of a query have no `ctid`.
 */
export const rowsOf = (table: Table, where: string | null): Sql => {
  const { chosen } = table;
  if (where === null && chosen === null) return relationOf(table);
  const name = sql.id(table.relation.name);
  const condition = where === null ? sql.empty : sql`where (${sql.verbatim(`${where}\n`)})`;
  const rows = sql`${relationOf(table)} ${condition}`;
  if (chosen?.kind === 'query')
    return sql`(with ${name} as (select * from ${rows}) select ${sql.verbatim(`${chosen.text}\n`)})`;
  const columns = chosen === null ? sql`${name}.*` : sql.verbatim(`${chosen.text}\n`);
  return sql`(select ${columns}, ${name}.ctid from ${rows})`;
};
