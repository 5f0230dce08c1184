/**
 * Which leases a daemon takes and which it gives back, so that all daemons have as many syncs. Pure.
 *
 * A daemon takes what is free up to its share, the number of syncs by the number of daemons, rounded up. The shares together are never
 * less than the syncs, so nothing stays free. It gives back only what is above its share, which is so only after
 * another one has come: nothing goes to and fro. Syncs that rest cost nothing, and are shared out by themselves.
 */
import type { DaemonId, LeaseFacts } from '../control/lease.ts';
import type { SyncId } from '../model/topology.ts';

export interface ShareFacts {
  readonly self: DaemonId;
  /** Those that live and stay, this one among them; without it, it takes nothing and gives nothing. */
  readonly daemons: readonly DaemonId[];
  /** Of all syncs, in an order that is the same for all daemons. */
  readonly leases: readonly LeaseFacts[];
  /** On its way back already. */
  readonly isGiven: (sync: SyncId) => boolean;
  /** In the middle of something long, which would have to be done again elsewhere. */
  readonly isBusy: (sync: SyncId) => boolean;
}

export interface Share {
  readonly take: readonly LeaseFacts[];
  readonly give: readonly SyncId[];
}

export const planShare = (facts: ShareFacts): Share => {
  if (!facts.daemons.includes(facts.self)) return { take: [], give: [] };
  const working = shareOf(
    facts,
    facts.leases.filter(({ isAtWork }) => isAtWork),
  );
  const resting = shareOf(
    facts,
    facts.leases.filter(({ isAtWork }) => !isAtWork),
  );
  return { take: [...working.take, ...resting.take], give: [...working.give, ...resting.give] };
};

const shareOf = ({ self, daemons, isGiven, isBusy }: ShareFacts, leases: readonly LeaseFacts[]): Share => {
  const share = Math.ceil(leases.length / daemons.length);
  const own = leases.filter(({ syncId, holder }) => holder === self && !isGiven(syncId));
  const free = leases.filter(({ syncId, holder }) => holder === null && !isGiven(syncId));
  const excess = Math.max(0, own.length - share);
  return {
    take: free.slice(0, Math.max(0, share - own.length)),
    give: excess === 0 ? [] : idleOf(own, isBusy).slice(-excess),
  };
};

const idleOf = (own: readonly LeaseFacts[], isBusy: ShareFacts['isBusy']): SyncId[] =>
  own.map(({ syncId }) => syncId).filter((syncId) => !isBusy(syncId));
