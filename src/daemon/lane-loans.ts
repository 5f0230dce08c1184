/** The sessions that a lane has borrowed, remembered while they are lent, so that a round can be cut off. */
import type { DatabaseId } from '../model/topology.ts';
import type { Loan } from '../pg/pool.ts';
import type { Session } from '../pg/session.ts';
import type { Databases } from './databases.ts';

export class LaneLoans {
  readonly #databases: Databases;
  readonly #aborting = new AbortController();
  readonly #sessions = new Set<Session>();

  constructor(databases: Databases) {
    this.#databases = databases;
  }

  /** @throws ReplicationError what `Databases.borrow` throws; `interrupted` after an abort */
  async borrow(database: DatabaseId): Promise<Loan> {
    const loan = await this.#databases.borrow(database, this.#aborting.signal);
    const { session } = loan;
    this.#sessions.add(session);
    return {
      session,
      discard: () => loan.discard(),
      [Symbol.asyncDispose]: async () => {
        this.#sessions.delete(session);
        await loan[Symbol.asyncDispose]();
      },
    };
  }

  /** Nothing is lent any more, and what is lent breaks; the servers roll back what was in progress. */
  abort(): void {
    this.#aborting.abort();
    for (const session of this.#sessions) session.destroy();
  }
}
