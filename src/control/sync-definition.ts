/**
 * The syncs as the engine takes them: with members and relations, read by one query and so as of one moment.
 */
import { z } from 'zod';
import {
  type ActiveStatus,
  connectionStatuses,
  copyModes,
  type CopyRequest,
  type DatabaseId,
  type DatabaseName,
  type DeleteMethod,
  type Member,
  operations,
  type OneTimeCopy,
  type RelationId,
  roles,
  type SequenceMode,
  type SyncDefinition,
  type SyncId,
  type SyncName,
  type SyncRelation,
} from '../model/topology.ts';
import { type Sql, sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { notFound } from './name.ts';
import { boolean, integer, integerAs, json, nullable, row, text, textAs, timestamp } from './row.ts';

const memberSchema = z.object({
  role: z.enum(roles),
  database: z.object({
    id: z.int().transform((id) => id as DatabaseId),
    name: z.string().transform((name) => name as DatabaseName),
    status: z.enum(connectionStatuses),
    parameters: z.record(z.string(), z.string()),
    makedelta: z.boolean(),
  }),
});

const relationSchema = z.object({
  id: z.int().transform((id) => id as RelationId),
  kind: z.enum(['table', 'sequence']),
  relation: z.object({ schema: z.string(), name: z.string() }),
  customNames: z.array(
    z.object({
      database: z.int().transform((id) => id as DatabaseId),
      relation: z.object({ schema: z.string(), name: z.string() }),
    }),
  ),
  customCols: z.array(z.object({ database: z.int().transform((id) => id as DatabaseId), list: z.string() })),
  filters: z.array(
    z.object({
      database: z.int().transform((id) => id as DatabaseId),
      where: z.string().nullable(),
      operations: z.array(z.enum(operations)),
    }),
  ),
  keyIndex: z.string().nullable(),
  conflictStrategy: z.string().nullable(),
  makedelta: z.boolean().nullable(),
  isGhost: z.boolean(),
  merge: z
    .object({ counters: z.array(z.string()), objects: z.array(z.string()), sets: z.array(z.string()) })
    .nullable(),
  overrides: z.object({
    analyzeAfterCopy: z.boolean().nullable(),
    vacuumAfterCopy: z.boolean().nullable(),
    rebuildIndex: z.boolean().nullable(),
    strictChecking: z.boolean().nullable(),
  }),
});

const copySchema = z.object({
  generation: z.int(),
  database: z
    .int()
    .transform((id) => id as DatabaseId)
    .nullable(),
  relation: z
    .int()
    .transform((id) => id as RelationId)
    .nullable(),
  mode: z.enum(copyModes),
});

const definitionRow = row({
  id: textAs<SyncId>(),
  name: textAs<SyncName>(),
  status: textAs<ActiveStatus>(),
  isPaused: boolean,
  relgroup: text,
  dbgroup: text,
  members: json<Member[]>(z.array(memberSchema)),
  relations: json<SyncRelation[]>(z.array(relationSchema)),
  conflictStrategy: text,
  sequence: textAs<SequenceMode>(),
  autokick: boolean,
  checktimeMs: nullable(integer),
  cron: nullable(text),
  cronSince: nullable(timestamp),
  overdueMs: nullable(integer),
  expiredMs: nullable(integer),
  onetimecopy: integerAs<OneTimeCopy>(),
  analyzeAfterCopy: boolean,
  vacuumAfterCopy: boolean,
  rebuildIndex: boolean,
  strictChecking: boolean,
  deleteMethod: textAs<DeleteMethod>(),
  copyGeneration: integer,
  copies: json<CopyRequest[]>(z.array(copySchema)),
});

/**
 * What was said of a relation for some databases or syncs, as `c`, for each database of the sync that it holds on. Of several the one for
 * the database counts, and then the one for the sync. What was said for no database in particular holds where Tahr alone writes.
 */
const saidOf = (table: Sql): Sql => sql`
  (select distinct on (d.db) d.db as place, d.role, c.*
     from dbgroup_member d
     join ${table} c on c.relation = r.id
                    and (c.db = d.db or (c.db is null and d.role <> 'source'))
                    and (c.sync = s.id or c.sync is null)
    where d.dbgroup = s.dbgroup
    order by d.db, c.db is null, c.sync is null) c`;

const customNames = sql`
  (select json_agg(json_build_object(
            'database', c.place, 'relation', json_build_object('schema', c.schema_name, 'name', c.name)) order by c.place)
     from ${saidOf(sql`customname`)})`;

const customCols = sql`
  (select json_agg(json_build_object('database', c.place, 'list', c.list) order by c.place)
     from ${saidOf(sql`customcols`)}
    where c.role <> 'source')`;

const filters = sql`
  (select json_agg(json_build_object('database', c.place, 'where', c.condition, 'operations', c.operations) order by c.place)
     from ${saidOf(sql`filter`)}
    where c.role <> 'source')`;

const definitions = sql`
  select s.id, s.name, s.status, s.is_paused as "isPaused", rg.name as relgroup, dg.name as dbgroup,
         s.conflict_strategy as "conflictStrategy", s.sequence, s.autokick, s.checktime_ms as "checktimeMs",
         s.overdue_ms as "overdueMs", s.expired_ms as "expiredMs",
         s.onetimecopy, s.copy_generation as "copyGeneration",
         coalesce(
           (select json_agg(json_build_object(
                     'generation', c.generation, 'database', c.db, 'relation', c.relation, 'mode', c.mode)
                   order by c.generation, c.db, c.relation)
              from copy_request c
             where c.sync = s.id),
           '[]') as copies,
         s.analyze_after_copy as "analyzeAfterCopy", s.vacuum_after_copy as "vacuumAfterCopy",
         s.rebuild_index as "rebuildIndex", s.strict_checking as "strictChecking",
         s.delete_method as "deleteMethod", s.cron, s.cron_since as "cronSince",
         coalesce(
           (select json_agg(json_build_object(
                     'role', m.role,
                     'database', json_build_object(
                       'id', d.id, 'name', d.name, 'status', d.status,
                       'parameters', d.parameters, 'makedelta', d.makedelta))
                   order by m.priority desc, m.position)
              from dbgroup_member m
              join db d on d.id = m.db
             where m.dbgroup = s.dbgroup),
           '[]') as members,
         coalesce(
           (select json_agg(json_build_object(
                     'id', r.id, 'kind', r.kind,
                     'relation', json_build_object('schema', r.schema_name, 'name', r.name),
                     'customNames', coalesce(${customNames}, '[]'),
                     'customCols', coalesce(${customCols}, '[]'),
                     'filters', coalesce(${filters}, '[]'),
                     'keyIndex', r.key_index, 'conflictStrategy', r.conflict_strategy, 'makedelta', r.makedelta,
                     'isGhost', r.ghost,
                     'merge', case when r.merge then
                       json_build_object('counters', r.counters, 'objects', r.objects, 'sets', r.sets) end,
                     'overrides', json_build_object(
                       'analyzeAfterCopy', r.analyze_after_copy, 'vacuumAfterCopy', r.vacuum_after_copy,
                       'rebuildIndex', r.rebuild_index, 'strictChecking', r.strict_checking))
                   order by r.priority desc, m.position)
              from relgroup_member m
              join relation r on r.id = m.relation
             where m.relgroup = s.relgroup),
           '[]') as relations
    from sync s
    join relgroup rg on rg.id = s.relgroup
    join dbgroup dg on dg.id = s.dbgroup
`;

/** All syncs, also inactive ones, by name. */
export const loadSyncDefinitions = (db: Db): Promise<SyncDefinition[]> =>
  db.many(definitionRow, sql`${definitions} order by s.name`);

/** Upper and lower case are the same in the name of a sync. */
export const findSyncDefinition = (db: Db, name: string): Promise<SyncDefinition | null> =>
  db.maybeOne(definitionRow, sql`${definitions} where lower(s.name) = lower(${name}::text)`);

/** @throws ReplicationError `not_found` */
export const loadSyncDefinition = async (db: Db, name: string): Promise<SyncDefinition> => {
  const found = await findSyncDefinition(db, name);
  if (found === null) throw notFound('sync', name, 'syncs');
  return found;
};
