/**
 * What a daemon itself knows of its leases: until when it may write, by its own clock.
 *
 * The control database counts a lease from when it carries out the renewal; the daemon counts from before it has sent it, by a
 * clock that nobody sets, and stops a margin earlier. So for the daemon a lease ends before anybody else can take it, however
 * long the renewal or its answer was on the way.
 */
import { leaseMs } from '../control/lease.ts';
import type { SyncId } from '../model/topology.ts';

/** For noticing the end, for breaking connections, and for two clocks that do not run at the same speed. */
const marginMs = 1_000;

/** From before a renewal was sent. */
const ownLeaseMs = leaseMs - marginMs;

export class LeaseClock {
  readonly #elapsed: () => number;
  readonly #endsAt = new Map<SyncId, number>();

  /** @param elapsed see `Clock.elapsed` */
  constructor(elapsed: () => number) {
    this.#elapsed = elapsed;
  }

  /** Before the statement is sent that takes or renews leases. */
  mark(): number {
    return this.#elapsed();
  }

  /** The control database has taken or renewed them, by a statement that was sent after the mark. */
  hold(syncs: readonly SyncId[], mark: number): void {
    for (const sync of syncs) this.#endsAt.set(sync, mark + ownLeaseMs);
  }

  /** Given back, or taken by another. */
  drop(sync: SyncId): void {
    this.#endsAt.delete(sync);
  }

  isHeld(sync: SyncId): boolean {
    return (this.#endsAt.get(sync) ?? -Infinity) > this.#elapsed();
  }

  /** Held, or held once and not known to be lost. */
  known(): SyncId[] {
    return [...this.#endsAt.keys()];
  }
}
