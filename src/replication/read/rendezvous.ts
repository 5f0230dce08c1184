/**
 * Where rounds of one sync meet that have much to read from the same position: one of them reads for all.
 *
 * Nobody goes to a meeting for the sake of others: a round that has begun and turns out to have little to do passes by. Those that have
 * come wait for the others that have begun, and not for long.
 */

/** Rounds that have begun at about the same time have counted what there is to read within this. */
const waitMs = 250;

/** Who was too slow to read with others reads for itself for so long. */
const aloneMs = 600_000;

export type Meeting<P, R> =
  /** Reads for itself and for these, if there are any. */
  | { readonly kind: 'leads'; readonly guests: readonly Guest<P, R>[] }
  | { readonly kind: 'follows'; readonly reading: Promise<R> };

export interface Guest<P, R> {
  readonly party: P;
  /** Tells it what was read for it, or why that has failed. */
  readonly answer: (reading: Promise<R>) => void;
}

/** A round that has begun. Disposing of it says that it does not come any more. */
export interface Comer<P, R> extends Disposable {
  /** @param position rounds that stand at the same one read together */
  meet(position: string, party: P): Promise<Meeting<P, R>>;
}

interface Arrival<P, R> {
  /** In the order in which the rounds have begun. */
  readonly turn: number;
  readonly position: string;
  readonly party: P;
  readonly begin: (meeting: Meeting<P, R>) => void;
}

/** @typeParam P what a round brings along @typeParam R what was read for it */
export class Rendezvous<P, R, Key> {
  readonly #elapsed: () => number;
  readonly #coming = new Set<Comer<P, R>>();
  readonly #aloneUntil = new Map<Key, number>();
  #arrived: Arrival<P, R>[] = [];
  #turn = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param elapsed milliseconds of a clock that nobody sets */
  constructor(elapsed: () => number) {
    this.#elapsed = elapsed;
  }

  /** A round has begun that may have something to read. */
  enter(key: Key): Comer<P, R> {
    const turn = (this.#turn += 1);
    const leave = (): void => {
      if (this.#coming.delete(comer)) this.#look();
    };
    const comer: Comer<P, R> = {
      meet: (position, party) => {
        if (!this.#coming.delete(comer)) return Promise.resolve({ kind: 'leads', guests: [] });
        const { promise, resolve } = Promise.withResolvers<Meeting<P, R>>();
        this.#arrived.push({ turn, position, party, begin: resolve });
        this.#timer ??= setTimeout(() => this.#begin(), waitMs);
        this.#look();
        return promise;
      },
      [Symbol.dispose]: leave,
    };
    if ((this.#aloneUntil.get(key) ?? -Infinity) <= this.#elapsed()) this.#coming.add(comer);
    return comer;
  }

  /** Its rounds read for themselves for a while. */
  part(key: Key): void {
    this.#aloneUntil.set(key, this.#elapsed() + aloneMs);
  }

  #look(): void {
    if (this.#coming.size === 0) this.#begin();
  }

  #begin(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const arrived = this.#arrived;
    this.#arrived = [];
    for (const together of Map.groupBy(arrived, ({ position }) => position).values()) meet(together);
  }
}

/** The one that has begun last leads: it has opened its snapshot after all others had begun, so they miss nothing that they were to read. */
const meet = <P, R>(arrived: readonly Arrival<P, R>[]): void => {
  const [last, ...others] = arrived.toSorted((one, other) => other.turn - one.turn);
  const guests = others.map(({ party, begin }): Guest<P, R> => {
    const { promise, resolve } = Promise.withResolvers<R>();
    begin({ kind: 'follows', reading: promise });
    return { party, answer: resolve };
  });
  last?.begin({ kind: 'leads', guests });
};
