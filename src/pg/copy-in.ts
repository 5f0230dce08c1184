/**
 * `copy … from stdin` as a stream: what is written goes to the server as it comes, one message for each chunk.
 *
 * A message of the protocol is a header and what follows it (manual, "Message Formats"). They go to the socket together, and the end of
 * the copy with the last chunk: for a round of a few rows each piece by itself would cost as much as the rows.
 */
import { Writable } from 'node:stream';
import type { Connection, Submittable } from 'pg';

type Done = (error?: Error | null) => void;

const headerBytes = 5;
const copyData = 'd'.charCodeAt(0);
/** CopyDone: nothing but its header. */
const copyDone = Buffer.from('c\0\0\0\x04', 'latin1');

/** All data of a copy, and its end. */
export const copyDataMessages = (data: Buffer): readonly Buffer[] => [headerOf(data), data, copyDone];

const headerOf = (data: Buffer): Buffer => {
  const header = Buffer.alloc(headerBytes);
  header[0] = copyData;
  header.writeUInt32BE(headerBytes - 1 + data.length, 1);
  return header;
};

/** Begins when it is handed to `client.query`; has finished when the server is ready for the next query. */
export class CopyIn extends Writable implements Submittable {
  /** How many rows the server took; known when it has finished. */
  rowCount = 0;
  readonly #statements: string;
  #socket: Connection['stream'] | null = null;
  /** What waits until the server asks for data. */
  #waiting: (() => void) | null = null;
  #finished: Done | null = null;
  #hasEnded = false;

  /** @param statements may begin with others, which return no rows */
  constructor(statements: string) {
    super();
    this.#statements = statements;
  }

  /** Neither the server nor the writer has come to an end. */
  get isUnderWay(): boolean {
    return !this.#hasEnded;
  }

  /** Called by the driver when it is the turn of this query. */
  submit(connection: Connection): void {
    connection.query(this.#statements);
  }

  /** Called by the driver: the server takes data from now on. */
  handleCopyInResponse(connection: Connection): void {
    this.#socket = connection.stream;
    this.#waiting?.();
    this.#waiting = null;
  }

  /** Called by the driver after each of the statements: its name, and for a COPY the number of rows. */
  handleCommandComplete({ text }: { readonly text: string }): void {
    const [command, count] = text.split(' ');
    if (command === 'COPY') this.rowCount = Number(count);
  }

  /** Called by the driver: nothing of this query comes any more. */
  handleReadyForQuery(): void {
    this.#hasEnded = true;
    this.#finished?.();
  }

  /** Called by the driver: the server, or the connection, has failed. */
  handleError(error: Error): void {
    this.#hasEnded = true;
    this.destroy(error);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#whenTaken((socket) => {
      hold(socket);
      socket.write(headerOf(chunk));
      if (socket.write(chunk)) done();
      else socket.once('drain', () => done());
    });
  }

  override _final(done: Done): void {
    this.#finished = done;
    this.#whenTaken((socket) => socket.write(copyDone));
  }

  #whenTaken(send: (socket: Connection['stream']) => void): void {
    const socket = this.#socket;
    if (socket === null) this.#waiting = () => this.#whenTaken(send);
    else send(socket);
  }
}

/** What is written before the next turn of the event loop goes out at once. */
const hold = (socket: Connection['stream']): void => {
  socket.cork();
  setImmediate(() => socket.uncork());
};
