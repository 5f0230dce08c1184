/**
 * Rows of a small round, held here on their way from a source to the stage of a written database: they go there in one message with what
 * comes after them, so that the line is crossed once. What does not fit goes into its stage as it comes, one table after the other, while
 * the source sends the next.
 */
import { Readable } from 'node:stream';
import { failureOf } from '../../pg/failure.ts';
import type { RowsOut } from '../../pg/pipeline.ts';
import type { Session } from '../../pg/session.ts';
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
  /** When the last that did not fit is in its stage. */
  #staged: Promise<unknown> = Promise.resolve();

  /** @param session of the written database */
  constructor(session: Session) {
    this.#session = session;
  }

  get held(): readonly HeldRows[] {
    return this.#held;
  }

  /** Those of several tables may come at once. @returns how many rows have come */
  async take(
    plan: StagePlan,
    { rows, ...others }: Omit<Incoming, 'rows'> & { readonly rows: RowsOut },
  ): Promise<number> {
    const { sender, onBytes, midway } = others;
    const { head, rest } = await this.#readAhead(rows).catch((error: unknown) => {
      throw failureOf(error, sender);
    });
    if (rest !== null) return this.#stage(plan, { ...others, rows: () => rest });
    onBytes(head.length);
    await midway();
    this.#held.push({ plan, rows: head });
    return rows.rowCount;
  }

  async #stage(plan: StagePlan, incoming: Incoming): Promise<number> {
    const staged = this.#staged.then(() => fillStage(this.#session, plan, incoming));
    this.#staged = staged.catch(() => undefined);
    return staged;
  }

  /** Reads all that there is room for. */
  async #readAhead(stream: RowsOut): Promise<ReadAhead> {
    const chunks: Buffer[] = [];
    const following = stream.iterator() as AsyncIterator<Buffer>;
    while (this.#bytesLeft >= 0) {
      const { done, value } = await following.next();
      if (done === true) return { head: Buffer.concat(chunks), rest: null };
      chunks.push(value);
      this.#bytesLeft -= value.length;
    }
    const all = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.concat(chunks);
      yield* { [Symbol.asyncIterator]: () => following };
    };
    return { head: Buffer.alloc(0), rest: Readable.from(all()) };
  }
}

interface ReadAhead {
  readonly head: Buffer;
  /** All of it, where it was more; null: the head is all. */
  readonly rest: Readable | null;
}
