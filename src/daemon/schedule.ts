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
  /** A database is away, or the sync is about to be paused: somebody will say so when that is over. */
  | { readonly kind: 'told' };

/** As `now` is measured; null: not before something happens. */
export const nextRoundAt = ({ isWanted, isUrgent, block }: Pace, now: number): number | null => {
  if (isUrgent) return now;
  if (block.kind === 'until') return Math.max(now, block.at);
  return isWanted && block.kind === 'none' ? now : null;
};
