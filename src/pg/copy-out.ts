/**
 * `copy … to stdout` as a stream: the data of many rows in one chunk, as many as came from the socket at once.
 *
 * The server sends a message for each row (CopyData: a type, a length, the row). The driver would make an object of each; here only
 * their headers are looked at, and the rows are moved together where they are. A row is never assembled: what has come of it is passed on.
 *
 * While a copy lasts, the socket is ours: data go to the reader, all other messages to the driver's parser, byte for byte. So failures,
 * notices and the end of the copy come about as with any other query.
 */
import assert from 'node:assert';
import { Readable } from 'node:stream';
import type { Connection } from 'pg';
import type { Sent } from './pipeline.ts';

type Listener = (chunk: Buffer) => void;

/** Ends when the server is ready for the next query. */
export class CopyOut extends Readable implements Sent {
  /** How many rows the server has sent; known when the last has been read. */
  rowCount = 0;
  follower: Sent | null = null;
  isSent = false;
  onOver: () => void = () => undefined;
  readonly #statement: string;
  readonly #sorter = new MessageSorter();
  /** The connection, and what listened to its socket before, while the copy lasts. */
  #hold: { readonly socket: Connection['stream']; readonly parse: Listener } | null = null;

  constructor(statement: string) {
    super();
    this.#statement = statement;
  }

  override _read(): void {
    this.#hold?.socket.resume();
  }

  send(connection: Connection): void {
    this.isSent = true;
    connection.query(this.#statement);
    this.follower?.send(connection);
  }

  /** Called by the driver when the answer is ours. What has come so far is not, up to the last byte. */
  submit(connection: Connection): void {
    const socket = connection.stream;
    const [parse, ...others] = socket.listeners('data') as Listener[];
    assert(parse !== undefined && others.length === 0, 'the parser alone reads from the socket');
    this.#hold = { socket, parse };
    socket.on('data', this.#take).off('data', parse);
    if (!this.isSent) this.send(connection);
  }

  /** Called by the driver: the server, or the connection, has failed. */
  handleError(error: Error): void {
    this.#hold?.socket.resume();
    this.onOver();
    this.destroy(error);
  }

  /** Called by the driver after each of the statements: its name, and for a COPY the number of rows. */
  handleCommandComplete({ text }: { readonly text: string }): void {
    const [command, count] = text.split(' ');
    if (command === 'COPY') this.rowCount = Number(count);
  }

  /** Called by the driver: nothing of this query comes any more. */
  handleReadyForQuery(): void {
    this.onOver();
    this.push(null);
  }

  readonly #take = (chunk: Buffer): void => {
    const { socket, parse } = this.#hold ?? assert.fail('only who holds the socket listens to it');
    const { data, others, rest } = this.#sorter.sort(chunk);
    if (data.length > 0 && !this.push(data)) socket.pause();
    if (rest !== null) this.#release();
    // With the last of them it is the turn of the next query, which may take the socket.
    for (const part of others) parse(part);
    if (rest !== null && rest.length > 0) socket.emit('data', rest);
  };

  #release(): void {
    if (this.#hold === null) return;
    const { socket, parse } = this.#hold;
    this.#hold = null;
    socket.on('data', parse).off('data', this.#take);
    // The reader may be behind; what it has not taken yet is in our buffer.
    socket.resume();
  }
}

interface Sorted {
  /** The data of the chunk without headers, in the memory of the chunk. */
  readonly data: Buffer;
  /** All other messages with their headers, whole or in parts, in the order in which they came. */
  readonly others: readonly Buffer[];
  /** What follows the end of the query; null: that has not come. */
  readonly rest: Buffer | null;
}

/** A message is a type of one byte, a length of four that counts itself, and what it says (manual, "Message Formats"). */
const headerBytes = 5;
const copyDataType = 'd'.charCodeAt(0);
const readyForQueryType = 'Z'.charCodeAt(0);

/** Parts what a server sends for a query, cut anywhere, into COPY data and other messages. */
export class MessageSorter {
  /** Of the message under way: what it is, and how much of it is still to come. */
  #type = 0;
  #left = 0;
  /** The beginning of a header whose end has not come yet. */
  #cutHeader: Buffer = Buffer.alloc(0);

  /** @param chunk is written over: the first data stay where they are, those that follow are moved up to them */
  sort(chunk: Buffer): Sorted {
    const bytes = this.#cutHeader.length === 0 ? chunk : Buffer.concat([this.#cutHeader, chunk]);
    const others: Buffer[] = [];
    let [at, dataStart, dataEnd] = [0, 0, 0];
    let isOver = false;
    while (!isOver) {
      if (this.#left === 0) {
        if (at + headerBytes > bytes.length) break;
        at += this.#begin(bytes, at);
      }
      const end = Math.min(at + this.#left, bytes.length);
      if (this.#type !== copyDataType) {
        // Copied, for data that follow may be moved over it.
        others.push(Buffer.from(bytes.subarray(at, end)));
      } else if (dataStart === dataEnd) {
        dataStart = at;
        dataEnd = end;
      } else {
        bytes.copyWithin(dataEnd, at, end);
        dataEnd += end - at;
      }
      this.#left -= end - at;
      at = end;
      if (this.#left > 0) break;
      isOver = this.#type === readyForQueryType;
    }
    const after = bytes.subarray(at);
    this.#cutHeader = isOver ? Buffer.alloc(0) : after;
    return { data: bytes.subarray(dataStart, dataEnd), others, rest: isOver ? after : null };
  }

  /** Returns how many bytes are read with that: the headers of other messages go with them. */
  #begin(bytes: Buffer, at: number): number {
    const length = bytes.readUInt32BE(at + 1);
    this.#type = bytes[at] ?? 0;
    const isData = this.#type === copyDataType;
    this.#left = isData ? length + 1 - headerBytes : length + 1;
    return isData ? headerBytes : 0;
  }
}
