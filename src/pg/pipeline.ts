/**
 * Queries that do not wait for each other: each goes to the server at once, in a message of its own, and they are answered in their order
 * (manual, "Message Flow": the server takes one message after the other). Where an answer takes 50 ms, what need not be known before is
 * said in the same 50 ms.
 *
 * The driver sends a query when the one before it is over. Here it is handed one that has been sent already when the answer is its.
 */
import assert from 'node:assert';
import type { Readable } from 'node:stream';
import pg from 'pg';
import { copyDataMessages } from './copy-in.ts';
import { CopyOut } from './copy-out.ts';

/** Rows on their way from the server. */
export type RowsOut = Readable & {
  /** Known when all have come. */
  readonly rowCount: number;
};

export type Results = pg.QueryResult | pg.QueryResult[];

/** A query that may be sent before its turn. */
export interface Sent extends pg.Submittable {
  /** Whose answer is the next. */
  follower: Sent | null;
  readonly isSent: boolean;
  /** To be called when the answer has come or failed. */
  onOver: () => void;
  /** Sends it, and those that wait for that. */
  send(connection: pg.Connection): void;
}

export class Pipeline {
  readonly #client: pg.Client;
  #last: Sent | null = null;

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
      this.#send(
        new SentQuery(text, data, (error, results) => {
          if (error === undefined) resolve(results);
          else reject(error);
        }),
      );
    });
  }

  /** A COPY TO STDOUT. It may follow others of its kind; the parser of the driver may have the beginning of what follows any other query. */
  rows(text: string): RowsOut {
    assert(this.#last === null || this.#last instanceof CopyOut, 'an answer that is still to come');
    const copy = new CopyOut(text);
    this.#send(copy);
    return copy;
  }

  #send(query: Sent): void {
    query.onOver = () => {
      if (this.#last === query) this.#last = null;
      if (query.follower !== null) this.#client.query(query.follower);
    };
    const before = this.#last;
    this.#last = query;
    // What is sent before the next turn of the event loop goes out together.
    const { stream } = this.#client.connection;
    stream.cork();
    process.nextTick(() => stream.uncork());
    if (before === null) {
      this.#client.query(query);
    } else {
      before.follower = query;
      if (before.isSent) query.send(this.#client.connection);
    }
  }
}

class SentQuery extends pg.Query implements Sent {
  follower: Sent | null = null;
  isSent = false;
  onOver: () => void = () => undefined;
  readonly #text: string;
  readonly #data: Buffer | null;

  constructor(text: string, data: Buffer | null, done: (error: Error | undefined, results: Results) => void) {
    super(text, (error, results) => {
      this.onOver();
      done(error ?? undefined, results);
    });
    this.#text = text;
    this.#data = data;
  }

  send(connection: pg.Connection): void {
    this.isSent = true;
    connection.query(this.#text);
    if (this.#data !== null) for (const part of copyDataMessages(this.#data)) connection.stream.write(part);
    this.follower?.send(connection);
  }

  /** Called by the driver when the answer is ours. */
  override submit = (connection: pg.Connection): void => {
    if (!this.isSent) this.send(connection);
  };

  /** Called by the driver: the server takes what it has been sent already. A refused COPY leaves it unread (manual, "COPY Operations"). */
  handleCopyInResponse(): void {}
}
