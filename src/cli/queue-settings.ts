/** `queue_limit` and `queue_policy`, of syncs and of databases. */
import type { Db } from '../control/db.ts';
import { type QueueOwner, queuePolicies, setQueueLimit } from '../control/queue-limit.ts';
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

/** Saves what was given. */
export const saveQueueSettings = async (
  db: Db,
  owner: QueueOwner,
  { settings, say }: { readonly settings: Settings<typeof queueKeys>; readonly say: Say },
): Promise<void> => {
  const { queue_limit: limit, queue_policy: policy } = settings;
  if (limit === undefined && policy === undefined) return;
  await setQueueLimit(db, owner, {
    ...(limit === undefined ? {} : { limit }),
    ...(policy === undefined ? {} : { policy }),
  });
  say('  What may wait for databases that do not read is limited anew');
};
