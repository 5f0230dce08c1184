/**
 * What Ctrl-C means. While applications write it ends their work, and the demo goes on to compare the databases. At any
 * other time, or once more, it ends the demo itself; what was started is stopped all the same.
 */
export class Interruption {
  readonly #demo = new AbortController();
  readonly #work = new AbortController();
  #isWorking = false;

  constructor() {
    const interrupt = (): void => (this.#isWorking ? this.endWork() : this.#demo.abort());
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', interrupt);
  }

  /** The demo ends as soon as it can. */
  get signal(): AbortSignal {
    return this.#demo.signal;
  }

  /** The applications begin; the signal ends them. */
  beginWork(): AbortSignal {
    this.#isWorking = true;
    return this.#work.signal;
  }

  endWork(): void {
    this.#isWorking = false;
    this.#work.abort();
  }
}
