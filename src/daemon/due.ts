/** When something is due by the clock, in milliseconds since 1970. Pure, but for the time zone of the process. */
import type { SyncDefinition } from '../model/topology.ts';
import { nextCronTime } from '../runtime/cron.ts';

/**
 * When a database is copied whole again; null: when somebody asks for it. What was due in a time without a daemon is due now.
 * @param lastAt when that was done or begun last; null: never
 */
export const nextCopyAt = (
  { checktimeMs, cron, cronSince }: Pick<SyncDefinition, 'checktimeMs' | 'cron' | 'cronSince'>,
  lastAt: number | null,
): number | null => {
  const byInterval = checktimeMs === null ? null : (lastAt ?? 0) + checktimeMs;
  const byCron = cron === null ? null : nextCronTime(cron, Math.max(lastAt ?? 0, cronSince ?? 0));
  return earlier(byInterval, byCron);
};

const earlier = (one: number | null, other: number | null): number | null => {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
};
