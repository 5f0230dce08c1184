/** What was done so far, to be taken back in reverse order when a later step fails. */
export class Undo {
  readonly #steps: (() => Promise<unknown>)[] = [];

  add(step: () => Promise<unknown>): void {
    this.#steps.push(step);
  }

  /** Never throws: a database that can no longer be reached keeps what was done there, which a second run takes up. */
  async run(): Promise<void> {
    for (const step of this.#steps.splice(0).toReversed()) await step().catch(() => undefined);
  }
}
