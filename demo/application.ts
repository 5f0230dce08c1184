/** The connection of an application: it breaks with its server, and is made anew when the server is back. */
import { isReplicationError } from '../src/model/errors.ts';
import type { Session } from '../src/pg/session.ts';
import type { Sql } from '../src/pg/sql.ts';

export class Application implements AsyncDisposable {
  readonly #connect: () => Promise<Session>;
  #session: Session | null = null;

  constructor(connect: () => Promise<Session>) {
    this.#connect = connect;
  }

  /** @returns whether it was done; false while the server is away */
  async run(...statements: readonly Sql[]): Promise<boolean> {
    try {
      const session = await this.#connected();
      await session.script(...statements);
      return true;
    } catch (error) {
      if (isReplicationError(error, 'database_unreachable')) return false;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session?.close();
  }

  async #connected(): Promise<Session> {
    if (this.#session?.isUsable) return this.#session;
    this.#session = await this.#connect();
    return this.#session;
  }
}
