/** `queue_limit` and `queue_policy`, of syncs and of databases. */
import type { Db } from '../control/db.ts';
import { type QueueLimit, type QueueOwner, queuePolicies, setQueueLimit } from '../control/queue-limit.ts';
import { formatBytes, formatInterval } from './amounts.ts';
import type { Say } from './change.ts';
import { key, type Settings } from './grammar/settings.ts';
import { choiceOrDefault, queueLimit } from './grammar/values.ts';

export const queueKeys = {
  queue_limit: key(
    queueLimit,
    'how much may wait on a source for a database that does not read it: 2GB, 1d, "2GB,1d", none (default)',
  ),
  queue_policy: key(
    choiceOrDefault(queuePolicies),
    'past the limit: warn (default); release: give it up while the database is away, and copy to it when it is back; keep',
  ),
};

/** Saves what was given, and says it. @returns whether anything was */
export const saveQueueSettings = async (
  db: Db,
  owner: QueueOwner,
  { settings, say }: { readonly settings: Settings<typeof queueKeys>; readonly say: Say },
): Promise<boolean> => {
  const { queue_limit: limit, queue_policy: policy } = settings;
  if (limit === undefined && policy === undefined) return false;
  await setQueueLimit(db, owner, {
    ...(limit === undefined ? {} : { limit }),
    ...(policy === undefined ? {} : { policy }),
  });
  if (limit !== undefined) say(`  queue_limit is ${limitText(limit)} now`);
  if (policy !== undefined) say(`  queue_policy is ${policy ?? 'default'} now`);
  return true;
};

const limitText = ({ bytes, ageMs }: QueueLimit): string => {
  const parts = [
    ...(bytes === null ? [] : [formatBytes(bytes)]),
    ...(ageMs === null ? [] : [formatInterval(ageMs)]),
  ];
  return parts.length === 0 ? 'none' : parts.join(', ');
};
