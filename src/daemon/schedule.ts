/** When a lane runs its next round. Pure. */

export interface Pace {
  /** Changes may be waiting. */
  readonly isWanted: boolean;
  /** A kick, or a database that answers again: whatever stood in the way may be gone. */
  readonly isUrgent: boolean;
  readonly block: Block;
}

/** What keeps a lane from running although there may be changes. */
export type Block =
  | { readonly kind: 'none' }
  /** After a failure, by `Clock.elapsed`; then the lane runs whether it is wanted or not. */
  | { readonly kind: 'until'; readonly at: number }
  /** After a round under load, by `Clock.elapsed`; then the lane runs if it is wanted. */
  | { readonly kind: 'rest'; readonly until: number }
  /** A database is away, or the sync is about to be paused: somebody will say so when that is over. */
  | { readonly kind: 'told' };

/** A round with fewer rows is a reader who waits for one change rather than a load. */
const loadMinRows = 16;
/** In rounds of the same length. */
const restRounds = 3;
const restMaxMs = 50;

/**
 * How long a lane rests after a round. Rounds cost by themselves, whatever they bring: under load fewer and larger ones leave more of
 * the processors to those who write (docs/decisions/0012-small-rounds.md).
 */
export const restAfter = ({ rowCount, tookMs }: { rowCount: number; tookMs: number }): number =>
  rowCount < loadMinRows ? 0 : Math.min(restRounds * tookMs, restMaxMs);

/** As `now` is measured; null: not before something happens. */
export const nextRoundAt = ({ isWanted, isUrgent, block }: Pace, now: number): number | null => {
  if (isUrgent) return now;
  if (block.kind === 'until') return Math.max(now, block.at);
  if (!isWanted || block.kind === 'told') return null;
  return block.kind === 'rest' ? Math.max(now, block.until) : now;
};
