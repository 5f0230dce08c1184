/**
 * Table `notice`: things that the operator should know and that stop nothing, such as triggers that were disabled for
 * a while. Told until they are cleared. No foreign keys, as in `sync-state.ts`.
 */
import type { DatabaseId, DatabaseName, RelationId, SyncId } from '../model/topology.ts';
import { sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { nullable, row, text, textAs, timestamp } from './row.ts';

/** A notice is one for each sync, database, relation and code. */
export interface NoticeKey {
  readonly syncId: SyncId;
  readonly databaseId: DatabaseId;
  /** Null: it is about the database as a whole. */
  readonly relationId: RelationId | null;
  readonly code: string;
}

export interface Notice extends NoticeKey {
  /** What was seen and what to do. */
  readonly message: string;
}

const noticeRow = row({
  sync: text,
  database: textAs<DatabaseName>(),
  schema: nullable(text),
  relation: nullable(text),
  code: text,
  message: text,
  since: timestamp,
});

export type StoredNotice = ReturnType<typeof noticeRow>;

/** A notice that is there already keeps its time. */
export const setNotice = (db: Db, notice: Notice): Promise<void> =>
  db.run(sql`
    insert into notice (sync, db, relation, code, message)
    values (
      ${notice.syncId}::uuid, ${notice.databaseId}::integer, ${notice.relationId ?? 0}::integer,
      ${notice.code}::text, ${notice.message}::text
    )
    on conflict (sync, db, relation, code) do update
       set message = excluded.message
  `);

export const clearNotice = (db: Db, key: NoticeKey): Promise<void> =>
  db.run(sql`
    delete from notice
     where sync = ${key.syncId}::uuid
       and db = ${key.databaseId}::integer
       and relation = ${key.relationId ?? 0}::integer
       and code = ${key.code}::text
  `);

/** Something is told of the table already. */
export const hasNotice = async (
  db: Db,
  { syncId, databaseId, relationId }: Omit<NoticeKey, 'code'>,
): Promise<boolean> => {
  const found = await db.many(
    row({ code: text }),
    sql`
      select code
        from notice
       where sync = ${syncId}::uuid
         and db = ${databaseId}::integer
         and relation = ${relationId ?? 0}::integer
    `,
  );
  return found.length > 0;
};

/** Those about tables: a copy that was asked for makes the databases equal, whatever was missed before. */
export const clearTableNotices = (db: Db, syncId: SyncId): Promise<void> =>
  db.run(sql`delete from notice where sync = ${syncId}::uuid and relation <> 0`);

/** Oldest first. */
export const listNotices = (db: Db): Promise<StoredNotice[]> =>
  db.many(
    noticeRow,
    sql`
      select s.name as sync, d.name as database, r.schema_name as schema, r.name as relation, n.code, n.message, n.since
        from notice n
        join sync s on s.id = n.sync
        join db d on d.id = n.db
        left join relation r on r.id = n.relation
       order by n.since, s.name, d.name
    `,
  );
