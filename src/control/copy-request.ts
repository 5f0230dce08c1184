/**
 * Table `copy_request`: copies that were asked for and that some database may not have yet. Each asking raises the generation of its sync; a
 * database whose position carries a lower one has the copies to come that concern it.
 */
import type { CopyRequest, DatabaseId, SyncDefinition, SyncId } from '../model/topology.ts';
import { sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { integer, row } from './row.ts';

/** Asks for all of them at once. */
export const requestCopies = async (
  db: Db,
  sync: SyncId,
  requests: readonly Omit<CopyRequest, 'generation'>[],
): Promise<void> => {
  const { generation } = await db.one(
    row({ generation: integer }),
    sql`
      update sync set copy_generation = copy_generation + 1 where id = ${sync}::uuid
      returning copy_generation as generation
    `,
  );
  for (const { database, relation, mode } of requests)
    await db.run(sql`
      insert into copy_request (sync, generation, db, relation, mode)
      values (${sync}::uuid, ${generation}::integer, ${database}::integer, ${relation}::integer, ${mode}::text)
    `);
};

/**
 * These databases have the copies up to this generation. `onetimecopy` is 0 again, unless it was asked for once more. What is for a database that
 * is not among them waits for it.
 */
export const settleCopies = async (
  db: Db,
  {
    id,
    copyGeneration,
    databases,
  }: Pick<SyncDefinition, 'id' | 'copyGeneration'> & { readonly databases: readonly DatabaseId[] },
): Promise<void> => {
  await db.run(sql`
    delete from copy_request
     where sync = ${id}::uuid
       and generation <= ${copyGeneration}::integer
       and (db is null or db = any(${databases}::integer[]))
  `);
  await db.run(sql`
    update sync s
       set onetimecopy = 0
     where id = ${id}::uuid
       and onetimecopy <> 0
       and not exists (select from copy_request r where r.sync = s.id and r.db is null and r.relation is null)
  `);
};

/** What was asked for the whole sync is not wanted any more. */
export const withdrawCopy = (db: Db, sync: SyncId): Promise<void> =>
  db.run(sql`delete from copy_request where sync = ${sync}::uuid and db is null and relation is null`);
