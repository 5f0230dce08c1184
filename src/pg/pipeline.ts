/**
 * Queries that do not wait for each other: each goes to the server at once, in a message of its own, and they are answered in their order
 * (manual, "Message Flow": the server takes one message after the other). Where an answer takes 50 ms, what need not be known before is
 * said in the same 50 ms.
 *
 * The driver sends a query when the one before it is over. Here it is handed one that has been sent already when the answer is its.
 */
import pg from 'pg';
import { copyDataMessages } from './copy-in.ts';

export type Results = pg.QueryResult | pg.QueryResult[];

type Done = (error: Error | undefined, results: Results) => void;

export class Pipeline {
  readonly #client: pg.Client;
  #last: SentQuery | null = null;

  constructor(client: pg.Client) {
    this.#client = client;
  }

  /** An answer is still to come. */
  get isBusy(): boolean {
    return this.#last !== null;
  }

  /**
   * In a transaction, what comes after a query that has failed fails too.
   * @param data the rows for the COPY FROM STDIN with which the text ends; null: it ends otherwise
   */
  query(text: string, data: Buffer | null = null): Promise<Results> {
    return new Promise((resolve, reject) => {
      const query: SentQuery = new SentQuery(text, data, (error, results) => {
        if (this.#last === query) this.#last = null;
        if (query.follower !== null) this.#client.query(query.follower);
        if (error === undefined) resolve(results);
        else reject(error);
      });
      const before = this.#last;
      this.#last = query;
      if (before === null) {
        this.#client.query(query);
      } else {
        before.follower = query;
        query.send(this.#client.connection);
      }
    });
  }
}

class SentQuery extends pg.Query {
  /** Whose answer is the next. */
  follower: SentQuery | null = null;
  readonly #text: string;
  readonly #data: Buffer | null;
  #isSent = false;

  constructor(text: string, data: Buffer | null, done: Done) {
    super(text, (error, results) => done(error ?? undefined, results));
    this.#text = text;
    this.#data = data;
  }

  /** Called by the driver when the answer is ours. */
  override submit = (connection: pg.Connection): void => {
    if (!this.#isSent) this.send(connection);
  };

  /** What is sent before the next turn of the event loop goes out together. */
  send(connection: pg.Connection): void {
    this.#isSent = true;
    const { stream } = connection;
    stream.cork();
    process.nextTick(() => stream.uncork());
    connection.query(this.#text);
    if (this.#data !== null) for (const part of copyDataMessages(this.#data)) stream.write(part);
  }

  /** Called by the driver: the server takes what it has been sent already. A refused COPY leaves it unread (manual, "COPY Operations"). */
  handleCopyInResponse(): void {}
}
