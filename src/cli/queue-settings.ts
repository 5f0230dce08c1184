/** `queue_limit` and `queue_policy`, of syncs and of databases. */
import type { Db } from '../control/db.ts';
import {
  type OwnQueueLimit,
  type QueueChanges,
  type QueueLimit,
  type QueueOwner,
  queuePolicies,
  setQueueLimit,
} from '../control/queue-limit.ts';
import { formatBytes, formatInterval } from './amounts.ts';
import { given } from './given.ts';
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

/** @returns a line for each that was given */
export const saveQueueSettings = async (
  db: Db,
  owner: QueueOwner,
  { queue_limit: limit, queue_policy: policy }: Settings<typeof queueKeys>,
): Promise<string[]> => {
  await setQueueLimit(db, owner, given<QueueChanges>({ limit, policy }));
  return [
    ...(limit === undefined ? [] : [`queue_limit is ${limitText(limit)} now`]),
    ...(policy === undefined ? [] : [`queue_policy is ${policy ?? 'default'} now`]),
  ];
};

/** For `list --verbose`: nothing where nothing was said. */
export const queueLines = (own: OwnQueueLimit | undefined): string[] => {
  if (own === undefined) return [];
  const { limit, policy } = own;
  const parts = [
    ...(limit.bytes === null && limit.ageMs === null ? [] : [`Queue limit: ${limitText(limit)}`]),
    ...(policy === null ? [] : [`Queue policy: ${policy}`]),
  ];
  return parts.length === 0 ? [] : [`  ${parts.join('  ')}`];
};

const limitText = ({ bytes, ageMs }: QueueLimit): string => {
  const parts = [
    ...(bytes === null ? [] : [formatBytes(bytes)]),
    ...(ageMs === null ? [] : [formatInterval(ageMs)]),
  ];
  return parts.length === 0 ? 'none' : parts.join(', ');
};
