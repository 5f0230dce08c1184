/**
 * Table `kick`: requests to run a sync now. A kick is answered by a round that began after it was made, so whoever
 * waits for one never gets the result of a round that was already under way.
 */
import { z } from 'zod';
import type { SyncId } from '../model/topology.ts';
import { sql } from '../pg/sql.ts';
import type { Db } from './db.ts';
import { type EpochMs, instant, json, nullable, row, text, textAs, timestamp } from './row.ts';

/** A bigint, as text. */
export type KickId = string;

const outcomeSchema = z.discriminatedUnion('result', [
  z.object({ result: z.literal('done') }),
  z.object({ result: z.literal('failed'), code: z.string(), message: z.string(), hint: z.string() }),
]);

export type KickOutcome = z.infer<typeof outcomeSchema>;

const kickRow = row({
  id: text,
  syncId: textAs<SyncId>(),
  requestedAt: timestamp,
  requestedBy: text,
  startedAt: nullable(timestamp),
  doneAt: nullable(timestamp),
  outcome: nullable(json<KickOutcome>(outcomeSchema)),
});

export type Kick = ReturnType<typeof kickRow>;

const columns = sql`
  id, sync as "syncId", requested_at as "requestedAt", requested_by as "requestedBy",
  started_at as "startedAt", done_at as "doneAt", outcome
`;

/** The daemon hears of it when the transaction commits. */
export const requestKick = async (db: Db, syncId: SyncId): Promise<KickId> => {
  const { id } = await db.one(
    row({ id: text }),
    sql`insert into kick (sync, requested_by) values (${syncId}::uuid, session_user) returning id`,
  );
  return id;
};

/** Not answered yet, oldest first; `startedAt` is set on those that a round is working on, or was when a daemon died. */
export const pendingKicks = (db: Db): Promise<Kick[]> =>
  db.many(kickRow, sql`select ${columns} from kick where done_at is null order by id`);

/** A round that answers them begins. */
export const startKicks = (db: Db, ids: readonly KickId[]): Promise<void> =>
  db.run(sql`update kick set started_at = clock_timestamp() where id = any(${ids}::bigint[])`);

/** The round that answers them has ended on all databases. One that is answered already keeps its answer. */
export const finishKicks = (db: Db, ids: readonly KickId[], outcome: KickOutcome): Promise<void> =>
  db.run(sql`
    update kick
       set done_at = clock_timestamp(), outcome = ${JSON.stringify(outcome)}::jsonb
     where id = any(${ids}::bigint[])
       and done_at is null
  `);

/** Null: purged, or its sync has been removed. */
export const readKick = (db: Db, id: KickId): Promise<Kick | null> =>
  db.maybeOne(kickRow, sql`select ${columns} from kick where id = ${id}::bigint`);

/** Forgets what was answered before then. */
export const purgeKicks = (db: Db, before: EpochMs): Promise<void> =>
  db.run(sql`delete from kick where done_at < ${instant(before)}`);
