/** What is done about a queue that is over its limit. Pure. */
import type { Queue } from '../connectors/postgres/queue.ts';
import type { PlacedQueueLimit } from '../control/queue-limit.ts';
import { type Member, sources, type SyncDefinition } from '../model/topology.ts';

export type QueueStep =
  /** It is within its limits, or nobody wants to hear of it. */
  | 'nothing'
  | 'warn'
  /** What is kept is given up. */
  | 'release'
  /** It was given up before. */
  | 'released';

export const judgeQueue = (
  { bytes, ageMs, isReleased }: Queue,
  limit: Pick<PlacedQueueLimit, 'bytes' | 'ageMs' | 'policy'>,
  { isAbsent, isReplaceable }: { readonly isAbsent: boolean; readonly isReplaceable: boolean },
): QueueStep => {
  if (isReleased) return 'released';
  const isOver =
    (limit.bytes !== null && bytes > limit.bytes) || (limit.ageMs !== null && ageMs > limit.ageMs);
  if (!isOver || ageMs === 0 || limit.policy === 'keep') return 'nothing';
  return limit.policy === 'release' && isAbsent && isReplaceable ? 'release' : 'warn';
};

/**
 * Whether a database can be given up, for it can be copied to. The first source cannot. Another source is needed, when it is away, to tell what
 * targets may have to read again: where there are targets, what is kept for them stays as long as it cannot be asked.
 */
export const isReplaceable = (sync: SyncDefinition, { role, database }: Member): boolean =>
  role === 'target' ||
  (sources(sync)[0]?.database.id !== database.id && !sync.members.some((member) => member.role === 'target'));
