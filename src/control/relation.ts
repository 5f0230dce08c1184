/**
 * Table `relation`: the tables and sequences that the installation has been told of. A relation is one for all
 * databases: it has the same number, which is stored with every delta and never given twice, wherever it lives.
 */
import assert from 'node:assert/strict';
import { z } from 'zod';
import { ReplicationError } from '../model/errors.ts';
import {
  type DatabaseName,
  formatRelation,
  type RelationId,
  type RelationKind,
  type RelationName,
  type TableOverrides,
} from '../model/topology.ts';
import { type Sql, sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { inUse, notFound } from './name.ts';
import { boolean, integer, integerAs, json, nullable, row, text, textAs } from './row.ts';
import { assignments } from './update.ts';

export interface Relation extends TableOverrides {
  readonly id: RelationId;
  readonly kind: RelationKind;
  readonly relation: RelationName;
  /** The database that it was first found in; null when that one has been removed. */
  readonly foundIn: DatabaseName | null;
  readonly keyIndex: string | null;
  readonly conflictStrategy: string | null;
  readonly makedelta: boolean | null;
  readonly ghost: boolean;
  /** Those with a higher one come first in every sync. */
  readonly priority: number;
  readonly merge: boolean;
  /** These three are columns, see `MergeSpec`. */
  readonly counters: readonly string[];
  readonly objects: readonly string[];
  readonly sets: readonly string[];
}

/** What is left out stays as it is; null goes back to the default. */
export type RelationChanges = Partial<Omit<Relation, 'id' | 'kind' | 'relation' | 'foundIn'>>;

export interface FoundRelation {
  readonly kind: RelationKind;
  readonly relation: RelationName;
  readonly foundIn: DatabaseName;
}

const names = json(z.array(z.string()));

const flatRow = row({
  id: integerAs<RelationId>(),
  kind: textAs<RelationKind>(),
  schema: text,
  name: text,
  foundIn: nullable(textAs<DatabaseName>()),
  keyIndex: nullable(text),
  conflictStrategy: nullable(text),
  makedelta: nullable(boolean),
  ghost: boolean,
  priority: integer,
  merge: boolean,
  counters: names,
  objects: names,
  sets: names,
  analyzeAfterCopy: nullable(boolean),
  vacuumAfterCopy: nullable(boolean),
  rebuildIndex: nullable(boolean),
  strictChecking: nullable(boolean),
});

/** Shared with the relgroups. */
export const relationRow = (source: Parameters<typeof flatRow>[0]): Relation => {
  const { schema, name, ...rest } = flatRow(source);
  return { ...rest, relation: { schema, name } };
};

/** The query behind `relationRow`, open at its end. */
export const relations = sql`
  select r.id, r.kind, r.schema_name as schema, r.name, d.name as "foundIn",
         r.key_index as "keyIndex", r.conflict_strategy as "conflictStrategy", r.makedelta, r.ghost, r.priority, r.merge,
         to_json(r.counters) as counters, to_json(r.objects) as objects, to_json(r.sets) as sets,
         r.analyze_after_copy as "analyzeAfterCopy", r.vacuum_after_copy as "vacuumAfterCopy",
         r.rebuild_index as "rebuildIndex", r.strict_checking as "strictChecking"
    from relation r
    left join db d on d.id = r.found_in
`;

/** By schema and name. */
export const listRelations = (db: Db): Promise<Relation[]> =>
  db.many(relationRow, sql`${relations} order by r.schema_name, r.name`);

export const findRelation = (db: Db, { schema, name }: RelationName): Promise<Relation | null> =>
  db.maybeOne(
    relationRow,
    sql`${relations} where r.schema_name = ${schema}::text and r.name = ${name}::text`,
  );

/** @throws ReplicationError `not_found` */
const getRelation = async (db: Db, relation: RelationName): Promise<Relation> => {
  const found = await findRelation(db, relation);
  if (found === null) throw notFound('table or sequence', formatRelation(relation), 'tables');
  return found;
};

/** As `rememberRelations`, for one. */
export const rememberRelation = async (db: Db, found: FoundRelation): Promise<Relation> => {
  const [relation] = await rememberRelations(db, [found]);
  assert(relation !== undefined, 'a relation that was just remembered is not there');
  return relation;
};

/**
 * The relations of those names, in their order; those that were unknown are remembered from now on.
 * @throws ReplicationError `already_exists` where a table is known as a sequence or the other way round
 */
export const rememberRelations = async (db: Db, found: readonly FoundRelation[]): Promise<Relation[]> => {
  await db.run(sql`
    insert into relation (kind, schema_name, name, found_in)
    select f.kind, f.relation ->> 'schema', f.relation ->> 'name', d.id
      from jsonb_to_recordset(${JSON.stringify(found)}::jsonb) as f (kind text, relation jsonb, "foundIn" text)
      left join db d on d.name = f."foundIn"
     where not exists (
             select from relation r
              where r.schema_name = f.relation ->> 'schema' and r.name = f.relation ->> 'name')
        on conflict (schema_name, name) do nothing
  `);
  const known = await db.many(
    relationRow,
    sql`
      ${relations}
        join unnest(
               ${found.map(({ relation }) => relation.schema)}::text[],
               ${found.map(({ relation }) => relation.name)}::text[]
             ) with ordinality as f (schema_name, name, position)
          on f.schema_name = r.schema_name and f.name = r.name
       order by f.position
    `,
  );
  for (const [position, relation] of known.entries()) {
    const wanted = found[position];
    if (wanted !== undefined && wanted.kind !== relation.kind) throw otherKind(relation, wanted);
  }
  return known;
};

const otherKind = (known: Relation, found: FoundRelation): ReplicationError =>
  new ReplicationError('already_exists', {
    message: `${formatRelation(known.relation)} is a ${found.kind} on ${found.foundIn}, but is known as a ${known.kind}.`,
    hint: `Remove the ${known.kind} first, if it is no longer replicated.`,
    facts: { relation: formatRelation(known.relation), database: found.foundIn },
  });

export const updateRelation = async (db: Db, id: RelationId, changes: RelationChanges): Promise<void> => {
  const set = assignments({
    key_index: changes.keyIndex === undefined ? null : sql`${changes.keyIndex}::text`,
    conflict_strategy: changes.conflictStrategy === undefined ? null : sql`${changes.conflictStrategy}::text`,
    makedelta: booleanOf(changes.makedelta),
    ghost: booleanOf(changes.ghost),
    merge: booleanOf(changes.merge),
    counters: namesOf(changes.counters),
    objects: namesOf(changes.objects),
    sets: namesOf(changes.sets),
    priority: changes.priority === undefined ? null : sql`${changes.priority}::integer`,
    analyze_after_copy: booleanOf(changes.analyzeAfterCopy),
    vacuum_after_copy: booleanOf(changes.vacuumAfterCopy),
    rebuild_index: booleanOf(changes.rebuildIndex),
    strict_checking: booleanOf(changes.strictChecking),
  });
  if (set !== null) await db.run(sql`update relation set ${set} where id = ${id}::integer`);
};

const namesOf = (value: readonly string[] | undefined): Sql | null =>
  value === undefined ? null : sql`${[...value]}::text[]`;

const booleanOf = (value: boolean | null | undefined): Sql | null =>
  value === undefined ? null : sql`${value}::boolean`;

/**
 * Forgets it, and takes it out of relgroups that no sync uses.
 * @throws ReplicationError `not_found`, and `in_use` with the relgroups and syncs that it is replicated by
 */
export const removeRelation = async (db: Db, relation: RelationName): Promise<void> => {
  const { id } = await getRelation(db, relation);
  const users = await db.many(
    row({ relgroup: text, sync: text }),
    sql`
      select g.name as relgroup, s.name as sync
        from relgroup_member m
        join relgroup g on g.id = m.relgroup
        join sync s on s.relgroup = g.id
       where m.relation = ${id}::integer
       order by g.name, s.name
    `,
  );
  if (users.length > 0) {
    const named = users.map((user) => `relgroup ${user.relgroup} of sync ${user.sync}`);
    throw inUse('relation', formatRelation(relation), named);
  }
  await db.run(sql`delete from relgroup_member where relation = ${id}::integer`);
  await db.run(sql`delete from relation where id = ${id}::integer`);
};
