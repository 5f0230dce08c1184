/**
 * Lets a round begin only when the sessions that it will hold at the same time are free for it.
 *
 * Rounds take a session after the other and keep them; two that each hold what the other waits for would wait for
 * ever. So all places are given at once or none is. Whoever came first at a database is served first. Few places are for
 * writing, so that rounds that write a slow database cannot take all sessions of the source that they read.
 */
import type { DatabaseId } from '../model/topology.ts';

const readersMax = 5;
const writersMax = 3;

/** As many sessions as a pool must have for the rounds that are let in; others borrow in passing. */
export const sessionsMax: number = readersMax + writersMax;

export interface Claim {
  readonly read: readonly DatabaseId[];
  readonly written: readonly DatabaseId[];
}

type Place = `${'read' | 'write'} ${DatabaseId}`;

interface Waiter {
  readonly places: readonly Place[];
  readonly admit: () => void;
}

export class RoundGate {
  readonly #taken = new Map<Place, number>();
  #waiters: Waiter[] = [];

  /** Returns when the round may begin; what it returns gives the places back. Returns null when the signal aborts before. */
  async enter(claim: Claim, signal: AbortSignal): Promise<Disposable | null> {
    const places = placesOf(claim);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter: Waiter = { places, admit: () => resolve(true) };
    const leave = (): void => {
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
      resolve(false);
    };
    signal.addEventListener('abort', leave, { once: true });
    this.#waiters.push(waiter);
    if (signal.aborted) leave();
    this.#admit();
    const isAdmitted = await promise;
    signal.removeEventListener('abort', leave);
    return isAdmitted ? { [Symbol.dispose]: () => this.#release(places) } : null;
  }

  /** In the order of arrival; a place that an earlier one waits for is not given to a later one. */
  #admit(): void {
    const awaited = new Set<Place>();
    this.#waiters = this.#waiters.filter((waiter) => {
      const isFree = waiter.places.every(
        (place) => !awaited.has(place) && this.#count(place) < capacityOf(place),
      );
      for (const place of waiter.places) {
        if (isFree) this.#taken.set(place, this.#count(place) + 1);
        else awaited.add(place);
      }
      if (isFree) waiter.admit();
      return !isFree;
    });
  }

  #release(places: readonly Place[]): void {
    for (const place of places) this.#taken.set(place, this.#count(place) - 1);
    this.#admit();
  }

  #count(place: Place): number {
    return this.#taken.get(place) ?? 0;
  }
}

const placesOf = ({ read, written }: Claim): Place[] => [
  ...read.map((id): Place => `read ${id}`),
  ...written.map((id): Place => `write ${id}`),
];

const capacityOf = (place: Place): number => (place.startsWith('read') ? readersMax : writersMax);
