/**
 * Statements that one session has prepared, so that the server plans them once (PostgreSQL manual, PREPARE). What it has
 * planned is planned anew when a table in it has changed.
 */
import { literalOf, type Sql } from './sql.ts';

/** A plan takes memory of the server, for as long as the session lives. */
const plansMax = 300;

export interface Message {
  readonly text: string;
  /** Some statements are prepared in it, whose results are nobody's. */
  readonly prepares: boolean;
  /** To be called when the server has taken the whole message. */
  readonly taken: () => void;
}

export class PlanCache {
  readonly #names = new Map<string, string>();
  #lastNumber = 0;

  /** Several statements as one message, with what has to be prepared for them. */
  message(statements: readonly Sql[]): Message {
    const fresh = new Map<string, string>();
    const commands = statements.flatMap((statement) =>
      statement.isPlanned ? this.#execution(statement, fresh) : [statement.inlined()],
    );
    const taken = (): void => {
      for (const [text, name] of fresh) this.#names.set(text, name);
    };
    return { text: commands.join(';\n'), prepares: fresh.size > 0, taken };
  }

  /** Of a message that failed it is not known what was prepared: a name is never used again. */
  #execution(statement: Sql, fresh: Map<string, string>): string[] {
    const { text, values } = statement.parametrized();
    const known = this.#names.get(text) ?? fresh.get(text);
    if (known === undefined && this.#names.size + fresh.size >= plansMax) return [statement.inlined()];
    const name = known ?? `plan_${++this.#lastNumber}`;
    const execute = `execute ${name}${values.length === 0 ? '' : `(${values.map(literalOf).join(', ')})`}`;
    if (known !== undefined) return [execute];
    fresh.set(text, name);
    return [`prepare ${name} as ${text}`, execute];
  }
}
