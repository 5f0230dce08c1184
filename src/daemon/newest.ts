/** The newest of what is put in, up to a number: a ring, so that to add costs the same however much there is. */
export class Newest<T> {
  readonly #countMax: number;
  readonly #items: T[] = [];
  /** Where the oldest is as soon as the ring is full: the next one takes its place. */
  #next = 0;

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  add(item: T): void {
    this.#items[this.#next] = item;
    this.#next = (this.#next + 1) % this.#countMax;
  }

  /** The oldest first. */
  list(): T[] {
    const isFull = this.#items.length === this.#countMax;
    return isFull
      ? [...this.#items.slice(this.#next), ...this.#items.slice(0, this.#next)]
      : [...this.#items];
  }
}
