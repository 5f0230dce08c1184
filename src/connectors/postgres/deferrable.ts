/**
 * Deferrable constraints: unique, primary key and exclusion constraints which the server does not check for rows of ours,
 * because the check is a trigger, and triggers do not fire in replica role (engine rule §6). A round checks them itself.
 */
import type { RelationName } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { baseTypeOf, type TypeCatalogue } from './column-type.ts';

export interface DeferrableConstraint {
  readonly name: string;
  /** The partition that alone has it; null: the table itself. */
  readonly partition: RelationName | null;
  /** SQL over the columns: the rows that it is about. Null: all. */
  readonly predicate: string | null;
  /** Two rows collide where the operators of all terms say yes. */
  readonly terms: readonly Term[];
}

interface Term {
  /** SQL over the columns, as the server writes it down: a quoted name, or an expression. */
  readonly expression: string;
  /** With its schema: `operator(pg_catalog.=)`. */
  readonly operator: string;
}

/** As the catalogue has it. */
export interface DeferrableFacts extends Omit<DeferrableConstraint, 'terms'> {
  readonly terms: readonly TermFacts[];
}

interface TermFacts extends Term {
  /** The oid of the type of a column; null for an expression. */
  readonly columnType: string | null;
  /** Quoted and with its schema; null where it is the default of the database, or the type has none. */
  readonly collation: string | null;
}

/** The rows of `pg_constraint` as `con`; those that a partition has from its parent are left out. `offset 0`: looked up for each table, whose number the server takes for thousands. */
const constraintsOf = (c: Sql): Sql => sql`
  (select ${c}.oid union select relid from pg_partition_tree(${c}.oid)) part (oid)
  cross join lateral (
    select con.* from pg_constraint con
     where con.conrelid = part.oid and con.condeferrable and con.contype in ('p', 'u', 'x') and con.conparentid = 0
    offset 0) con`;

/** Changes whenever one is added or dropped. `c` is the row of pg_class. */
export const deferrableFingerprint = (c: Sql): Sql =>
  sql`(select string_agg(con.oid::text, ',' order by con.oid) from ${constraintsOf(c)})`;

/** By table oid. */
export const readDeferrable = async (
  session: Session,
  oids: readonly string[],
): Promise<Map<string, DeferrableFacts[]>> => {
  const rows = await session.query(sql`
    select c.oid, con.conname as name, con.conrelid <> c.oid as is_of_partition, n.nspname as schema, k.relname as relation,
           pg_get_expr(i.indpred, i.indrelid) as predicate, terms.list as terms
      from pg_class c
     cross join lateral (select con.* from ${constraintsOf(sql`c`)}) con
      join pg_class k on k.oid = con.conrelid
      join pg_namespace n on n.oid = k.relnamespace
      join pg_index i on i.indexrelid = con.conindid
      join pg_class x on x.oid = con.conindid
     cross join lateral (
       select json_agg(json_build_object(
                'expression', pg_get_indexdef(i.indexrelid, p + 1, false),
                'columnType', a.atttypid::text,
                'collation', case when col.collname <> 'default' then format('%I.%I', coln.nspname, col.collname) end,
                'operator', format('operator(%I.%s)', opn.nspname, op.oprname)) order by p) as list
         from generate_series(0, i.indnkeyatts - 1) p
         join pg_opclass oc on oc.oid = i.indclass[p]
         left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[p] and i.indkey[p] <> 0
         left join pg_amop ao on ao.amopfamily = oc.opcfamily and ao.amopmethod = x.relam and ao.amopstrategy = 3
                             and ao.amoplefttype = oc.opcintype and ao.amoprighttype = oc.opcintype
         join pg_operator op on op.oid = coalesce(con.conexclop[p + 1], ao.amopopr)
         join pg_namespace opn on opn.oid = op.oprnamespace
         left join pg_collation col on col.oid = i.indcollation[p]
         left join pg_namespace coln on coln.oid = col.collnamespace) terms
     where c.oid = any(${oids}::oid[])
     order by c.oid, con.conname collate "C", con.conrelid`);
  return Map.groupBy(
    rows.map((row) => ({
      oid: row['oid'] as string,
      name: row['name'] as string,
      partition:
        row['is_of_partition'] === 't'
          ? { schema: row['schema'] as string, name: row['relation'] as string }
          : null,
      predicate: row['predicate'] ?? null,
      terms: JSON.parse(row['terms'] as string) as DeferrableFacts['terms'],
    })),
    ({ oid }) => oid,
  );
};

export const deferrableOf = (facts: DeferrableFacts, types: TypeCatalogue): DeferrableConstraint => ({
  ...facts,
  terms: facts.terms.map((term) => ({ operator: term.operator, expression: comparable(term, types) })),
});

/** Operators for any enum take no domain over one, so a column is taken out of its domain. */
const comparable = ({ expression, columnType, collation }: TermFacts, types: TypeCatalogue): string => {
  const base = columnType === null ? null : baseTypeOf(columnType, types);
  const value = base === null || base.oid === columnType ? expression : `${expression}::${base.name}`;
  return collation === null ? value : `(${value}) collate ${collation}`;
};
