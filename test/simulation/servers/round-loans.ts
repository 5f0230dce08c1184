/** The sessions that rounds have borrowed, so that one can lose all of its own, as when its process is killed. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { ReplicationError } from '../../../src/model/errors.ts';
import type { DatabaseId } from '../../../src/model/topology.ts';
import type { Loan } from '../../../src/pg/pool.ts';
import type { Session } from '../../../src/pg/session.ts';
import { sql } from '../../../src/pg/sql.ts';
import type { Arena } from './arena.ts';

/** What a kill, a cut or a failing statement looks like from inside. */
export const broken = (): ReplicationError =>
  new ReplicationError('interrupted', { message: 'broken by the simulation', facts: {} });

/** The sessions of the round that is asking, so that it can lose its own. A round in the middle of another has others. */
export class Borrowed {
  readonly #arena: Arena;
  readonly #current = new AsyncLocalStorage<RoundLoans>();

  constructor(arena: Arena) {
    this.#arena = arena;
  }

  during<T>(loans: RoundLoans, work: () => Promise<T>): Promise<T> {
    return this.#current.run(loans, work);
  }

  readonly borrow = async (id: DatabaseId): Promise<Loan> => {
    const round = this.#current.getStore();
    const loan = await this.#arena.borrow(id);
    return round === undefined ? loan : round.take(id, loan);
  };
}

export class RoundLoans {
  #isDestroyed = false;
  readonly #sessions: { readonly id: DatabaseId; readonly session: Session }[] = [];

  async take(id: DatabaseId, loan: Loan): Promise<Loan> {
    if (this.#isDestroyed) {
      await loan[Symbol.asyncDispose]();
      throw broken();
    }
    const { session } = loan;
    if (!session.memory.has('pid')) {
      const [row] = await session.query(sql`select pg_backend_pid() as pid`);
      session.memory.set('pid', row?.['pid']);
    }
    const entry = { id, session };
    this.#sessions.push(entry);
    return {
      ...loan,
      discard: () => loan.discard(),
      [Symbol.asyncDispose]: async () => {
        this.#sessions.splice(this.#sessions.indexOf(entry), 1);
        await loan[Symbol.asyncDispose]();
      },
    };
  }

  on(wanted: DatabaseId): Session[] {
    return this.#sessions.filter(({ id }) => id === wanted).map(({ session }) => session);
  }

  destroyAll(): void {
    this.#isDestroyed = true;
    for (const { session } of this.#sessions) session.destroy();
  }
}
