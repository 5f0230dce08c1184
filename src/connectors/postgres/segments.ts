/**
 * Rotation of the delta segments, so that what was read leaves no trace: no dead rows, also under long transactions
 * (engine rules §20, R7).
 *
 * - Writers move to another segment when the current one is large, or old and not empty, and an empty one is there.
 * - A segment that is not written to is truncated when every consumer has acknowledged all that it holds. TRUNCATE is not
 *   MVCC-safe, so nothing that anybody may still want to read is ever truncated; the lock is taken without waiting,
 *   because writers would queue behind a wait.
 * - Positions and consumers are looked at in a statement of its own, after the lock: who wrote before has committed.
 */
import { isReplicationError } from '../../model/errors.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { controlWord, parseControlWord, useSegment } from './control-word.ts';
import { type SegmentNumber, segmentNumbers, segmentTable } from './delta.ts';

const segmentBytesMax = 16 * 1024 * 1024;
const segmentAgeMaxMs = 60_000;
/** Readers wait for the lock of a segment, so a daemon that stands still must not keep it. */
const idleInTransactionMs = 5_000;

/** Where to write next; null: stay. Pure. */
export const nextSegment = (
  bytes: readonly number[],
  { segment, ageMs }: { readonly segment: SegmentNumber; readonly ageMs: number },
): SegmentNumber | null => {
  const written = bytes[segment] ?? 0;
  const isDue = written > segmentBytesMax || (written > 0 && ageMs > segmentAgeMaxMs);
  if (!isDue) return null;
  const following = segmentNumbers.map((step) => segmentNumbers[(segment + step) % 4] ?? segment);
  return following.find((candidate) => candidate !== segment && bytes[candidate] === 0) ?? null;
};

export interface Rotation {
  /** Null: writers stay where they are. */
  readonly switchedTo: SegmentNumber | null;
  readonly truncatedCount: number;
  /** Of all segments, before. */
  readonly bytes: number;
}

/** One look at the segments of a database. @param ageMs since the last one that switched */
export const rotateSegments = async (
  session: Session,
  { schema, ageMs }: { readonly schema: string; readonly ageMs: number },
): Promise<Rotation> => {
  const { segment, tables } = await readSegments(session, schema);
  const bytes = segmentNumbers.map((number) => sum(tables.filter((table) => table.segment === number)));
  const switchedTo = nextSegment(bytes, { segment, ageMs });
  if (switchedTo !== null) await session.script(useSegment(schema, switchedTo));
  let truncatedCount = 0;
  for (const table of tables) {
    if (table.segment === segment || table.segment === switchedTo || table.bytes === 0) continue;
    if (await truncate(session, schema, segmentTable(schema, table.shape, table.segment)))
      truncatedCount += 1;
  }
  return { switchedTo, truncatedCount, bytes: sum(tables) };
};

interface SegmentFile {
  readonly shape: number;
  readonly segment: SegmentNumber;
  readonly bytes: number;
}

const sum = (tables: readonly SegmentFile[]): number => tables.reduce((total, { bytes }) => total + bytes, 0);

const readSegments = async (
  session: Session,
  schema: string,
): Promise<{ segment: SegmentNumber; tables: SegmentFile[] }> => {
  const [words, files] = await session.script(
    sql`select ${controlWord(schema)} as word`,
    sql`select s.id as shape, n as segment, pg_relation_size(format('%I.%I', ${schema}, format('d_%s_%s', s.id, n))::regclass) as bytes
          from ${sql.id(schema, 'shape')} s cross join generate_series(0, 3) n
         order by s.id, n`,
  );
  return {
    segment: parseControlWord(BigInt(words?.[0]?.['word'] ?? 0)).segment,
    tables: (files ?? []).map((row) => ({
      shape: Number(row['shape']),
      segment: Number(row['segment']) as SegmentNumber,
      bytes: Number(row['bytes']),
    })),
  };
};

/** False when somebody still needs it or is at it. */
const truncate = async (session: Session, schema: string, table: Sql): Promise<boolean> => {
  try {
    const [, , , needs] = await session.script(
      sql`begin isolation level read committed`,
      sql`set local idle_in_transaction_session_timeout = ${sql.literal(idleInTransactionMs)}`,
      sql`lock table ${table} in access exclusive mode nowait`,
      sql`select ${isNeeded(schema, table)} as is_needed`,
    );
    const isWanted = needs?.[0]?.['is_needed'] === 't';
    if (!isWanted) await session.script(...discard(schema, table), sql`commit`);
    return !isWanted;
  } catch (error) {
    if (isReplicationError(error, 'given_way')) return false;
    throw error;
  } finally {
    // After a commit this does nothing; after a broken connection there is nobody to tell.
    if (session.isUsable) await session.script(sql`rollback`);
  }
};

const isNeeded = (schema: string, table: Sql): Sql => sql`
  exists (
    select from ${sql.id(schema, 'consumer')} c
     cross join lateral (
       select from ${table} d
        where (d.xid >= pg_snapshot_xmax(c.acked) or d.xid = any (array(select pg_snapshot_xip(c.acked))))
          and d.tbl = any (c.tables)
        limit 1) unread
     where not c.released)`;

/**
 * What every consumer of a sync has acknowledged is gone for all of them; what only some have is still there, and may be read
 * again. The higher incarnation tells a database that was set back to before this.
 */
const discard = (schema: string, table: Sql): Sql[] => [
  sql`update ${sql.id(schema, 'consumer')} c
         set floor = coalesce(
               (select o.acked from ${sql.id(schema, 'consumer')} o
                 where o.sync = c.sync and not o.released
                 order by pg_snapshot_xmax(o.acked), (select count(*) from pg_snapshot_xip(o.acked)) desc
                 limit 1),
               pg_current_snapshot())
       where tables && (select coalesce(array_agg(distinct d.tbl), '{}') from ${table} d)`,
  // `made_by` goes along: the row must carry the transaction that wrote it, or it looks like one that was restored.
  sql`update ${sql.id(schema, 'identity')} set incarnation = incarnation + 1, made_by = pg_current_xact_id()`,
  sql`truncate ${table}`,
];
