/**
 * Statements that belong together, with what their answers mean. Requests that do not depend on each other's answers go in one
 * message (`Session.ask`): a message costs the daemon and the line more than the server, where rounds are small.
 */
import type { Row } from './session.ts';
import type { Sql } from './sql.ts';

/** What a statement has said: its rows, and how many it touched. */
interface Answer {
  readonly rows: readonly Row[];
  readonly count: number;
}

export interface Request<T> {
  readonly statements: readonly Sql[];
  /** Gets one answer for each statement. May throw what the answers mean. */
  readonly read: (answers: readonly Answer[]) => T;
}

/** Statements whose answers are nobody's. */
export const say = (...statements: readonly Sql[]): Request<void> => ({ statements, read: () => undefined });

/** Several requests as one, and an answer to each. */
export const all = <T extends readonly unknown[]>(
  requests: readonly [...{ [K in keyof T]: Request<T[K]> }],
): Request<T> => ({
  statements: requests.flatMap(({ statements }) => statements),
  read: (answers) => {
    let begin = 0;
    return requests.map(({ statements, read }) => {
      const own = answers.slice(begin, begin + statements.length);
      begin += statements.length;
      return read(own);
    }) as unknown as T;
  },
});
