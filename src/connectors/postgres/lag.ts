/**
 * How far a database is behind a source: the deltas of the sync's tables that its position does not see. Only what
 * counts as a change of the source; a version that the sync itself has brought is counted where it was made.
 */
import type { RelationId } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';
import type { Consumer } from './consumer.ts';
import { segmentTables, truncationShape } from './delta.ts';
import { isOwnChange } from './entries.ts';
import { isBeyond, type Snapshot } from './position.ts';

export interface Lag {
  /** Noted changes; several of one row count several times, because telling them apart is as dear as replicating them. */
  readonly changeCount: number;
  /** Age of the oldest by the clock of the source; 0 when there is none. */
  readonly ageS: number;
}

interface LagRequest {
  readonly schema: string;
  readonly consumer: Consumer;
  readonly tables: readonly RelationId[];
  /** Null: it cannot be asked for now; then what was acknowledged last, which trails behind it a little. */
  readonly position: Snapshot | null;
}

/** Asked of the source. */
export const measureLag = async (
  session: Session,
  { schema, consumer, tables, position }: LagRequest,
): Promise<Lag> => {
  const [captured, acknowledged] = await session.script(
    sql`select distinct shape from ${sql.id(schema, 'captured')} where tbl = any (${tables}::integer[])`,
    sql`select acked::text as acked from ${sql.id(schema, 'consumer')}
         where sync = ${consumer.sync}::uuid and database = ${consumer.database}::integer`,
  );
  const since = position ?? acknowledged?.[0]?.['acked'] ?? null;
  if (since === null) return { changeCount: 0, ageS: 0 };
  const shapes = new Set([truncationShape, ...(captured ?? []).map((row) => Number(row['shape']))]);
  const rows = [...shapes]
    .flatMap((shape) => segmentTables(schema, shape))
    .map(
      (segment) => sql`
      select at from ${segment}
       where tbl = any (${tables}::integer[]) and ${isOwnChange(consumer.sync)} and ${isBeyond(sql`xid`, since)}`,
    );
  const [counted] = await session.query(sql`
    select count(*) as changes, coalesce(extract(epoch from clock_timestamp() - min(at)), 0) as age
      from (${sql.join(rows, ' union all ')}) e`);
  return { changeCount: Number(counted?.['changes']), ageS: Math.max(0, Number(counted?.['age'])) };
};
