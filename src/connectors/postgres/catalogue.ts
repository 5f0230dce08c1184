/**
 * The catalogue queries behind introspection. Each takes all tables at once: a thousand tables cost as many round
 * trips as one. They run under `search_path = pg_catalog` (see `pg/session.ts`), so type names come with their
 * schema unless they are built in.
 */
import type { RelationName } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import type { TypeCatalogue, TypeFacts } from './column-type.ts';
import type { Attribute } from './composite.ts';
import { deferrableFingerprint } from './deferrable.ts';
import type { IndexColumn, IndexFacts } from './key.ts';

const relationKinds = [
  'table',
  'partitioned table',
  'sequence',
  'view',
  'materialized view',
  'foreign table',
  'temporary table',
  'other',
] as const;

/** What carries the name, whether or not it can be replicated. */
export interface RelationFacts {
  readonly oid: string;
  readonly relation: RelationName;
  readonly kind: (typeof relationKinds)[number];
  readonly isPartition: boolean;
  readonly hasInheritance: boolean;
  readonly refusesOnConflict: boolean;
  readonly isOwner: boolean;
  readonly hasRowSecurity: boolean;
  readonly isSubscribed: boolean;
  readonly firesInReplicaRole: boolean;
  readonly fingerprint: string;
}

const wantedNames = (names: readonly RelationName[]): Sql => sql`
  unnest(${names.map(({ schema }) => schema)}::text[], ${names.map(({ name }) => name)}::text[]) as wanted (schema, name)
  join pg_namespace n on n.nspname = wanted.schema
  join pg_class c on c.relnamespace = n.oid and c.relname = wanted.name`;

/**
 * The types that the type is made of; `t` is its row of pg_type. Servers before version 14 have no multiranges, so the
 * column that leads from one to its range is asked for by name.
 */
const partsOf = (t: Sql): Sql => sql`
  select ${t}.typbasetype where ${t}.typtype = 'd'
   union all
  select ${t}.typelem where ${t}.typelem <> 0 and ${t}.typlen = -1 and ${t}.typtype = 'b'
   union all
  select r.rngsubtype from pg_range r where r.rngtypid = ${t}.oid
   union all
  select r.rngtypid from pg_range r where ${t}.typtype = 'm' and (to_jsonb(r) ->> 'rngmultitypid')::oid = ${t}.oid
   union all
  select a.atttypid from pg_attribute a
   where ${t}.typtype = 'c' and a.attrelid = ${t}.typrelid and a.attnum > 0 and not a.attisdropped`;

/** The attributes of all composite types inside the columns; built-in types, which have oids below 16384, have none. */
const compositesInside = (c: Sql): Sql => sql`
  with recursive inside as (
    select a.atttypid as oid from pg_attribute a
     where a.attrelid = ${c}.oid and a.attnum > 0 and not a.attisdropped and a.atttypid >= 16384
     union
    select part.oid from inside join pg_type t on t.oid = inside.oid cross join lateral (${partsOf(sql`t`)}) part (oid)
  )
  select string_agg(concat_ws(',', t.oid, a.attnum, a.attname, a.atttypid, a.atttypmod), ';' order by t.oid, a.attnum)
    from inside
    join pg_type t on t.oid = inside.oid and t.typtype = 'c'
    join pg_attribute a on a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped`;

/** Bits of `pg_trigger.tgtype`: FOR EACH ROW and BEFORE. */
const mayKeepRowsOut = sql`t.tgenabled in ('A', 'R') and t.tgtype & 3 = 3`;

/** `offset 0`, or the server would read the triggers and rules of all tables for one. */
const firesInReplicaRole = (c: Sql): Sql => sql`
  (exists (select from pg_trigger t where t.tgrelid = ${c}.oid and ${mayKeepRowsOut} offset 0)
   or ${c}.relkind = 'p' and exists (
     select from pg_partition_tree(${c}.oid) part join pg_trigger t on t.tgrelid = part.relid where ${mayKeepRowsOut} offset 0)
   or exists (
     select from pg_rewrite r
      where r.ev_class = ${c}.oid and r.rulename <> '_RETURN' and r.is_instead and r.ev_enabled in ('A', 'R') offset 0))`;

/**
 * A digest of everything that reading, capturing and writing the table depend on. Index oids are left out, because
 * `reindex concurrently` changes them. `c` is the row of pg_class.
 * @param mayHoldComposites false where all columns were of built-in types when they were read: the digest is the same then as long as
 * they are, and composite types are not looked for
 */
export const fingerprintOf = (c: Sql, mayHoldComposites = true): Sql => sql`
  md5(concat_ws('|', ${c}.oid, ${c}.relkind, ${c}.relispartition,
    exists (select from pg_inherits i where i.inhrelid = ${c}.oid),
    ${c}.relkind = 'r' and exists (select from pg_inherits i where i.inhparent = ${c}.oid),
    exists (select from pg_subscription_rel s where s.srrelid = ${c}.oid),
    (select string_agg(concat_ws(',', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation, a.attnotnull,
              a.atthasdef, a.attgenerated, a.attidentity), ';' order by a.attnum)
       from pg_attribute a
      where a.attrelid = ${c}.oid and a.attnum > 0 and not a.attisdropped),
    ${mayHoldComposites ? sql`(${compositesInside(c)})` : sql`null`},
    ${firesInReplicaRole(c)},
    (select string_agg(concat_ws(',', k.relname, i.indkey, i.indclass, i.indcollation, i.indisprimary, i.indimmediate,
              i.indisvalid, i.indpred is null, i.indexprs is null), ';' order by k.relname)
       from pg_index i join pg_class k on k.oid = i.indexrelid
      where i.indrelid = ${c}.oid and i.indisunique),
    ${deferrableFingerprint(c)}))`;

export const readRelations = async (
  session: Session,
  names: readonly RelationName[],
): Promise<RelationFacts[]> => {
  const rows = await session.query(sql`
    select c.oid, wanted.schema, wanted.name,
           case when c.relpersistence = 't' then 'temporary table'
                when c.relkind = 'r' then 'table' when c.relkind = 'p' then 'partitioned table'
                when c.relkind = 'S' then 'sequence' when c.relkind = 'v' then 'view'
                when c.relkind = 'm' then 'materialized view' when c.relkind = 'f' then 'foreign table'
                else 'other' end as kind,
           c.relispartition as is_partition,
           exists (select from pg_inherits i where c.oid in (i.inhrelid, i.inhparent)) as has_inheritance,
           exists (select from pg_rewrite r where r.ev_class = c.oid and r.rulename <> '_RETURN')
             or exists (select from pg_index i
                         where i.indrelid in (select c.oid union select relid from pg_partition_tree(c.oid))
                           and not i.indimmediate) as refuses_on_conflict,
           pg_has_role(c.relowner, 'USAGE') as is_owner,
           row_security_active(c.oid) as has_row_security,
           exists (select from pg_subscription_rel s where s.srrelid = c.oid) as is_subscribed,
           ${firesInReplicaRole(sql`c`)} as fires_in_replica_role,
           ${fingerprintOf(sql`c`)} as fingerprint
      from ${wantedNames(names)}`);
  return rows.map((row) => ({
    oid: row['oid'] as string,
    relation: { schema: row['schema'] as string, name: row['name'] as string },
    kind: row['kind'] as RelationFacts['kind'],
    isPartition: row['is_partition'] === 't',
    hasInheritance: row['has_inheritance'] === 't',
    refusesOnConflict: row['refuses_on_conflict'] === 't',
    isOwner: row['is_owner'] === 't',
    hasRowSecurity: row['has_row_security'] === 't',
    isSubscribed: row['is_subscribed'] === 't',
    firesInReplicaRole: row['fires_in_replica_role'] === 't',
    fingerprint: row['fingerprint'] as string,
  }));
};

export interface ColumnFacts {
  readonly name: string;
  readonly typeOid: string;
  readonly type: string;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  readonly isGenerated: boolean;
  readonly identity: 'none' | 'always' | 'default';
}

/** The columns by table oid, in the order of the table. */
export const readColumns = async (
  session: Session,
  oids: readonly string[],
): Promise<Map<string, ColumnFacts[]>> => {
  const rows = await session.query(sql`
    select a.attrelid as oid, a.attname as name, a.atttypid as type_oid, format_type(a.atttypid, a.atttypmod) as type,
           a.attnotnull as not_null, a.atthasdef and a.attgenerated = '' as has_default,
           a.attgenerated <> '' as is_generated,
           case a.attidentity when 'a' then 'always' when 'd' then 'default' else 'none' end as identity
      from pg_attribute a
     where a.attrelid = any(${oids}::oid[]) and a.attnum > 0 and not a.attisdropped
     order by a.attrelid, a.attnum`);
  const columns = new Map<string, ColumnFacts[]>();
  for (const row of rows) {
    append(columns, row['oid'] as string, {
      name: row['name'] as string,
      typeOid: row['type_oid'] as string,
      type: row['type'] as string,
      notNull: row['not_null'] === 't',
      hasDefault: row['has_default'] === 't',
      isGenerated: row['is_generated'] === 't',
      identity: row['identity'] as ColumnFacts['identity'],
    });
  }
  return columns;
};

/** The unique indexes by table oid, by name. Columns of INCLUDE are no part of them. */
export const readIndexes = async (
  session: Session,
  oids: readonly string[],
): Promise<Map<string, IndexFacts[]>> => {
  const rows = await session.query(sql`
    select i.indrelid as oid, k.relname as name, i.indisprimary as is_primary, i.indisvalid and i.indisready as is_valid,
           i.indimmediate as is_immediate, i.indpred is not null as is_partial,
           am.amname = 'btree' as is_by_equality,
           (select count(*) from generate_series(0, i.indnkeyatts - 1) p where i.indkey[p] = 0) as expression_count,
           coalesce(columns.list, '[]') as columns
      from pg_index i
      join pg_class k on k.oid = i.indexrelid
      join pg_am am on am.oid = k.relam
      cross join lateral (
        select json_agg(json_build_object(
                 'name', a.attname, 'typeOid', a.atttypid::text,
                 -- From version 18 on a NOT NULL can be there without having been checked.
                 'notNull', a.attnotnull and not exists (
                   select from pg_constraint nn
                    where nn.conrelid = a.attrelid and nn.contype = 'n' and nn.conkey = array[a.attnum] and not nn.convalidated),
                 'equals', format('operator(%I.%s)', eqn.nspname, eq.oprname),
                 'collation', case when col.collname <> 'default' then format('%I.%I', coln.nspname, col.collname) end,
                 'isDeterministic', coalesce(col.collisdeterministic, true),
                 'isObjectNumber', oc.opcintype = 'oid'::regtype and a.atttypid <> 'oid'::regtype) order by p) as list
          from generate_series(0, i.indnkeyatts - 1) p
          join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[p]
          join pg_opclass oc on oc.oid = i.indclass[p]
          left join pg_amop ao on ao.amopfamily = oc.opcfamily and ao.amopmethod = k.relam and ao.amopstrategy = 3
                              and ao.amoplefttype = oc.opcintype and ao.amoprighttype = oc.opcintype
          left join pg_operator eq on eq.oid = ao.amopopr
          left join pg_namespace eqn on eqn.oid = eq.oprnamespace
          left join pg_collation col on col.oid = i.indcollation[p]
          left join pg_namespace coln on coln.oid = col.collnamespace) columns
     where i.indrelid = any(${oids}::oid[]) and i.indisunique and i.indislive
     order by i.indrelid, k.relname collate "C"`);
  const indexes = new Map<string, IndexFacts[]>();
  for (const row of rows) {
    append(indexes, row['oid'] as string, {
      name: row['name'] as string,
      isPrimary: row['is_primary'] === 't',
      isValid: row['is_valid'] === 't',
      isImmediate: row['is_immediate'] === 't',
      isPartial: row['is_partial'] === 't',
      isByEquality: row['is_by_equality'] === 't',
      expressionCount: Number(row['expression_count']),
      columns: JSON.parse(row['columns'] as string) as IndexColumn[],
    });
  }
  return indexes;
};

/** The types with these oids and everything that they are made of. */
export const readTypes = async (session: Session, oids: readonly string[]): Promise<TypeCatalogue> => {
  const rows = await session.query(sql`
    with recursive edge as (
      select t.oid, part.oid as part
        from pg_type t
       cross join lateral (${partsOf(sql`t`)}) part (oid)
    ), reached as (
      select unnest(${oids}::oid[]) as oid
       union
      select edge.part from edge join reached on edge.oid = reached.oid
    )
    select t.oid, format_type(t.oid, -1) as name, n.nspname in ('pg_catalog', 'information_schema') as is_built_in,
           case when t.typelem <> 0 and t.typlen = -1 and t.typtype = 'b' then 'array'
                when t.typtype = 'c' then 'composite' when t.typtype = 'd' then 'domain' when t.typtype = 'e' then 'enum'
                when t.typtype = 'r' then 'range' when t.typtype = 'm' then 'multirange' else 'base' end as kind,
           t.typsend <> 0 and t.typreceive <> 0 as has_binary_form,
           (select json_agg(edge.part::text) from edge where edge.oid = t.oid) as components,
           case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end as type_below,
           (select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum)
              from pg_attribute a
             where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) as attributes
      from reached
      join pg_type t on t.oid = reached.oid
      join pg_namespace n on n.oid = t.typnamespace`);
  return new Map(
    rows.map((row) => [
      row['oid'] as string,
      {
        oid: row['oid'] as string,
        name: row['name'] as string,
        isBuiltIn: row['is_built_in'] === 't',
        kind: row['kind'] as TypeFacts['kind'],
        hasBinaryForm: row['has_binary_form'] === 't',
        components: JSON.parse(row['components'] ?? '[]') as string[],
        typeBelow: row['type_below'] ?? null,
        attributes: JSON.parse(row['attributes'] ?? '[]') as Attribute[],
      },
    ]),
  );
};

/**
 * What would fire for our rows by table oid, in words: triggers and rules that are enabled in the ordinary way, and
 * foreign keys on both of their ends. Triggers whose functions live in `ownSchema` are ours.
 */
export const readFiring = async (
  session: Session,
  oids: readonly string[],
  ownSchema: string,
): Promise<Map<string, string[]>> => {
  const rows = await session.query(sql`
    select t.tgrelid as oid, format('trigger "%s"', t.tgname) as what
      from pg_trigger t join pg_proc p on p.oid = t.tgfoid join pg_namespace n on n.oid = p.pronamespace
     where t.tgrelid = any(${oids}::oid[]) and not t.tgisinternal and t.tgenabled = 'O' and n.nspname <> ${ownSchema}::name
     union all
    select r.ev_class, format('rule "%s"', r.rulename)
      from pg_rewrite r
     where r.ev_class = any(${oids}::oid[]) and r.rulename <> '_RETURN' and r.ev_enabled = 'O'
     union all
    select side.oid, format('foreign key "%s"', c.conname)
      from pg_constraint c
     cross join lateral (select c.conrelid union select c.confrelid) side (oid)
     where c.contype = 'f' and side.oid = any(${oids}::oid[])
     order by 1, 2`);
  const firing = new Map<string, string[]>();
  for (const row of rows) append(firing, row['oid'] as string, row['what'] as string);
  return firing;
};

/** The default expressions of tables, by oid and column; those without one are missing, and so are those of generated columns. */
export const readDefaults = async (
  session: Session,
  oids: readonly string[],
): Promise<Map<string, Map<string, string>>> => {
  const rows = await session.query(sql`
    select a.attrelid as oid, a.attname as name, pg_get_expr(d.adbin, d.adrelid) as expression
      from pg_attribute a join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where a.attrelid = any(${oids}::oid[]) and a.attgenerated = '' and not a.attisdropped`);
  const defaults = new Map<string, Map<string, string>>();
  for (const row of rows) {
    const oid = row['oid'] as string;
    const known = defaults.get(oid) ?? new Map<string, string>();
    defaults.set(oid, known.set(row['name'] as string, row['expression'] as string));
  }
  return defaults;
};

export interface Referrer {
  /** The oid of the table that is referred to. */
  readonly referred: string;
  readonly relation: RelationName;
}

/** The tables that refer to one of these by a foreign key and are none of these. */
export const readReferrers = async (session: Session, oids: readonly string[]): Promise<Referrer[]> => {
  const rows = await session.query(sql`
    select distinct c.confrelid as referred, n.nspname as schema, r.relname as name
      from pg_constraint c
      join pg_class r on r.oid = c.conrelid
      join pg_namespace n on n.oid = r.relnamespace
     where c.contype = 'f' and c.confrelid = any(${oids}::oid[]) and c.conrelid <> all(${oids}::oid[])
     order by 2, 3`);
  return rows.map((row) => ({
    referred: row['referred'] as string,
    relation: { schema: row['schema'] as string, name: row['name'] as string },
  }));
};

/** The partitions that hold rows by the oid of their root, as quoted names with their schemas. */
export const readLeafPartitions = async (
  session: Session,
  roots: readonly string[],
): Promise<Map<string, string[]>> => {
  const rows = await session.query(sql`
    select r.oid, json_agg(format('%I.%I', n.nspname, c.relname) order by n.nspname, c.relname) as partitions
      from pg_class r
     cross join lateral pg_partition_tree(r.oid) leaf
      join pg_class c on c.oid = leaf.relid and c.relkind = 'r'
      join pg_namespace n on n.oid = c.relnamespace
     where r.oid = any(${roots}::oid[]) and r.relkind = 'p'
     group by r.oid`);
  return new Map(
    rows.map((row) => [row['oid'] as string, JSON.parse(row['partitions'] as string) as string[]]),
  );
};

const append = <K, V>(lists: Map<K, V[]>, key: K, value: V): void => {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
};
