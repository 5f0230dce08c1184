/** Times from the commit of a transaction on A to that of its row on B. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from '../src/pg/sql.ts';
import type { Arena, BenchDatabase } from './arena.ts';
import { arrivalOf, setMarker } from './replication.ts';

interface Stream {
  /** The rows of `items` from 1 on are changed one by one, each in a transaction of its own. */
  readonly rowCount: number;
  readonly perSecond: number;
  /** Higher than the one before. */
  readonly marker: number;
}

/**
 * Both servers keep the times of commits (`track_commit_timestamp`) by the same clock, so nothing has to look at the target meanwhile. A
 * server notes the time just before it flushes the commit: the flush on the source counts, that on the target does not.
 * @returns milliseconds, sorted
 */
export const latenciesOf = async (
  arena: Arena,
  { rowCount, perSecond, marker }: Stream,
): Promise<number[]> => {
  const [source, target] = [arena.on('A'), arena.on('B')];
  const began = performance.now();
  for (let id = 1; id <= rowCount; id += 1) {
    const early = began + (id * 1000) / perSecond - performance.now();
    if (early > 0) await sleep(early);
    await source.session.query(sql`update public.items set val = val + 1 where id = ${id}::bigint`);
  }
  await source.session.script(sql.verbatim(setMarker(marker)));
  await arrivalOf(target.session, marker);
  const [left, arrived] = [await commitTimes(source, rowCount), await commitTimes(target, rowCount)];
  const latencies = [...left].map(([id, at]) => (arrived.get(id) ?? Number.NaN) - at);
  return latencies.toSorted((a, b) => a - b);
};

/** By row, in milliseconds. */
const commitTimes = async ({ session }: BenchDatabase, rowCount: number): Promise<Map<string, number>> => {
  const rows = await session.query(sql`
    select id, extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000 as at
      from public.items where id <= ${rowCount}::bigint`);
  return new Map(rows.map(({ id, at }) => [id ?? '', Number(at)]));
};
