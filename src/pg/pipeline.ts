/**
 * Queries that do not wait for each other: each goes to the server at once, in a message of its own, and they are answered in their order
 * (manual, "Message Flow": the server takes one message after the other). Where an answer takes 50 ms, what need not be known before is
 * said in the same 50 ms.
 *
 * The driver sends a query when the one before it is over. Here it is handed one that has been sent already when the answer is its.
 */
import { type Duplex, Readable } from 'node:stream';
import pg from 'pg';
import { copyDataMessages } from './copy-in.ts';

/** Rows on their way from the server. */
export type RowsOut = Readable & {
  /** Known when all have come. */
  readonly rowCount: number;
};

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
      this.#send(new SentQuery(text, data), (error, results) => {
        if (error === undefined) resolve(results);
        else reject(error);
      });
    });
  }

  /** A COPY TO STDOUT of few rows: each costs an object of the driver. */
  rows(text: string): RowsOut {
    const query = new SentCopy(text);
    this.#send(query, (error, results) => query.out.end(error, results));
    return query.out;
  }

  #send(query: SentQuery, done: Done): void {
    query.onEnd = (error, results) => {
      if (this.#last === query) this.#last = null;
      if (query.follower !== null) this.#client.query(query.follower);
      done(error, results);
    };
    const before = this.#last;
    this.#last = query;
    if (before === null) {
      this.#client.query(query);
    } else {
      before.follower = query;
      if (before.isSent) query.send(this.#client.connection);
    }
  }
}

class SentQuery extends pg.Query {
  /** Whose answer is the next. */
  follower: SentQuery | null = null;
  onEnd: Done | null = null;
  isSent = false;
  readonly #text: string;
  readonly #data: Buffer | null;

  constructor(text: string, data: Buffer | null) {
    super(text, (error, results) => this.onEnd?.(error ?? undefined, results));
    this.#text = text;
    this.#data = data;
  }

  /** Called by the driver when the answer is ours. */
  override submit = (connection: pg.Connection): void => {
    if (!this.isSent) this.send(connection);
  };

  /** What is sent before the next turn of the event loop goes out together. */
  send(connection: pg.Connection): void {
    this.isSent = true;
    const { stream } = connection;
    stream.cork();
    process.nextTick(() => stream.uncork());
    connection.query(this.#text);
    if (this.#data !== null) for (const part of copyDataMessages(this.#data)) stream.write(part);
    this.follower?.send(connection);
  }

  /** Called by the driver: the server takes what it has been sent already. A refused COPY leaves it unread (manual, "COPY Operations"). */
  handleCopyInResponse(): void {}
}

class SentCopy extends SentQuery {
  readonly out = new SentRows();

  constructor(text: string) {
    super(text, null);
  }

  /** Called by the driver for each row; its memory is the parser's, who will write it over. */
  handleCopyData({ chunk }: { readonly chunk: Buffer }, { stream }: pg.Connection): void {
    this.out.add(Buffer.from(chunk), stream);
  }
}

/** Who reads too slowly holds up the server. */
class SentRows extends Readable {
  rowCount = 0;
  #socket: Duplex | null = null;

  add(row: Buffer, socket: Duplex): void {
    this.#socket = socket;
    if (!this.push(row)) socket.pause();
  }

  override _read(): void {
    this.#socket?.resume();
  }

  end(error: Error | undefined, results: Results): void {
    this.#socket?.resume();
    this.#socket = null;
    if (error !== undefined) {
      this.destroy(error);
      return;
    }
    this.rowCount = (Array.isArray(results) ? results.at(-1) : results)?.rowCount ?? 0;
    this.push(null);
  }
}
