/**
 * Rows of a small round, held here on their way from a source to the stage of a written database: they go there in one message with what
 * comes after them, so that the line is crossed once. What does not fit goes into its stage as it comes.
 */
import { Readable } from 'node:stream';
import { failureOf } from '../../pg/failure.ts';
import type { RowsOut, Session } from '../../pg/session.ts';
import { fillStage, type Incoming } from './load.ts';
import type { StagePlan } from './stage.ts';

/** COPY data for the stage of a table. */
export interface HeldRows {
  readonly plan: StagePlan;
  readonly rows: Buffer;
}

/** Of all tables of a round. */
const bytesMax = 64 * 1024;

export class Holder {
  readonly #session: Session;
  readonly #held: HeldRows[] = [];
  #bytesLeft = bytesMax;

  /** @param session of the written database */
  constructor(session: Session) {
    this.#session = session;
  }

  get held(): readonly HeldRows[] {
    return this.#held;
  }

  /** @returns how many rows have come */
  async take(plan: StagePlan, incoming: Incoming<RowsOut>): Promise<number> {
    const stream = incoming.rows();
    const { head, rest } = await readAhead(stream, this.#bytesLeft).catch((error: unknown) => {
      throw failureOf(error, incoming.sender);
    });
    if (rest !== null) return fillStage(this.#session, plan, { ...incoming, rows: () => rest });
    this.#bytesLeft -= head.length;
    incoming.onBytes(head.length);
    await incoming.midway();
    this.#held.push({ plan, rows: head });
    return stream.rowCount;
  }
}

interface ReadAhead {
  readonly head: Buffer;
  /** All of it, with the head; null: the head is all. */
  readonly rest: Readable | null;
}

/** Reads until it is more than so many bytes. */
const readAhead = async (stream: Readable, max: number): Promise<ReadAhead> => {
  const chunks: Buffer[] = [];
  const following = stream.iterator() as AsyncIterator<Buffer>;
  for (let length = 0; length <= max; ) {
    const { done, value } = await following.next();
    if (done === true) return { head: Buffer.concat(chunks), rest: null };
    chunks.push(value);
    length += value.length;
  }
  const all = async function* (): AsyncGenerator<Buffer> {
    yield* chunks;
    yield* { [Symbol.asyncIterator]: () => following };
  };
  return { head: Buffer.concat(chunks), rest: Readable.from(all()) };
};
