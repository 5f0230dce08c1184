/**
 * One reader for several databases: rows that they ask for in the same words are read once, and go to all of them.
 *
 * Whatever is read waits until all have said what they want next, or need no more. Each takes rows at its own pace as far as a buffer goes;
 * who keeps the others waiting for too long is given up, and has to read for itself.
 */
import { PassThrough } from 'node:stream';
import { ReplicationError } from '../../model/errors.ts';
import type { RowsOut } from '../../pg/pipeline.ts';
import { Patience } from '../../runtime/patience.ts';
import { type PostgresReader, type RowForm, type RowReader, type RowRequest, selectRows } from './reader.ts';

/** How far the others may be ahead of one, in each of its two buffers. */
const aheadBytesMax = 512 * 1024;

/** Rows that were asked for. */
interface Wish {
  readonly request: RowRequest;
  readonly form: RowForm;
  /** Requests of the same text want the same rows. */
  readonly text: string;
  readonly grant: (rows: Branch) => void;
  readonly refuse: (error: unknown) => void;
}

export class SharedReader {
  readonly #reader: PostgresReader;
  readonly #seats = new Set<Seat>();
  readonly #patience = new Patience<Seat>();
  #count = 0;
  #serving: Promise<void> | null = null;

  constructor(reader: PostgresReader) {
    this.#reader = reader;
  }

  /** All are taken before anybody asks for rows. @param label the database that it is for, for messages */
  seat(label: string): Seat {
    const seat = new Seat(this.#reader, label, () => (this.#serving ??= this.#serve()));
    this.#seats.add(seat);
    this.#count += 1;
    return seat;
  }

  async #serve(): Promise<void> {
    while (this.#seats.size > 0) {
      const moves = new Map([...this.#seats].map((seat) => [seat, seat.moved]));
      for (const seat of await this.#patience.wait(moves, this.#count)) seat.giveUp();
      const wishes = [...this.#seats].flatMap((seat) => {
        const wish = seat.takeWish();
        if (wish === null) this.#seats.delete(seat);
        return wish === null ? [] : [{ ...wish, seat }];
      });
      for (const same of Map.groupBy(wishes, ({ text }) => text).values()) await this.#fulfil(same);
    }
  }

  async #fulfil(wishes: readonly (Wish & { readonly seat: Seat })[]): Promise<void> {
    const [first] = wishes;
    if (first === undefined) return;
    const branches = new Map(wishes.map(({ seat }) => [seat, new Branch()]));
    try {
      await this.#reader.send(first.request, first.form, async (open) => {
        for (const { seat, grant } of wishes) grant(branches.get(seat) as Branch);
        await this.#pour(open(), branches);
      });
    } catch (error) {
      for (const { refuse } of wishes) refuse(error);
      for (const branch of branches.values()) branch.destroy(error as Error);
    }
  }

  async #pour(rows: RowsOut, branches: ReadonlyMap<Seat, Branch>): Promise<void> {
    for await (const chunk of rows) {
      const open = [...branches].filter(([, branch]) => !branch.destroyed);
      // Leaving the loop gives up the session: nobody is there for the rows that are still to come.
      if (open.length === 0) return;
      const full = open.flatMap(([seat, branch]): [Seat, Promise<void>][] =>
        branch.write(chunk) ? [] : [[seat, branch.drained()]],
      );
      if (full.length === 0) continue;
      for (const seat of await this.#patience.wait(new Map(full), open.length)) seat.giveUp();
    }
    for (const branch of branches.values()) branch.finish(rows.rowCount);
  }
}

/** The reader as one of the databases sees it. */
export class Seat implements RowReader {
  readonly label: string;
  readonly #reader: PostgresReader;
  readonly #taker: string;
  readonly #onMove: () => void;
  readonly #givenUp = new AbortController();
  #wish: Wish | null = null;
  #move = Promise.withResolvers<void>();
  #branch: Branch | null = null;

  constructor(reader: PostgresReader, taker: string, onMove: () => void) {
    this.label = reader.label;
    this.#reader = reader;
    this.#taker = taker;
    this.#onMove = onMove;
  }

  /** Aborts when the others do not wait for it any more: what it does is to end. The reason is a ReplicationError `left_behind`. */
  get signal(): AbortSignal {
    return this.#givenUp.signal;
  }

  /** When it has asked for something, or has left. */
  get moved(): Promise<void> {
    return this.#move.promise;
  }

  /** What it has asked for; null: nothing. */
  takeWish(): Wish | null {
    const wish = this.#wish;
    this.#wish = null;
    if (wish !== null) this.#move = Promise.withResolvers();
    return wish;
  }

  changes(...look: Parameters<RowReader['changes']>): ReturnType<RowReader['changes']> {
    return this.#reader.changes(...look);
  }

  sequences(...names: Parameters<RowReader['sequences']>): ReturnType<RowReader['sequences']> {
    return this.#reader.sequences(...names);
  }

  async send<T>(request: RowRequest, form: RowForm, take: (rows: () => RowsOut) => Promise<T>): Promise<T> {
    const branch = await this.#granted(request, form);
    try {
      return await take(() => branch);
    } finally {
      branch.destroy();
    }
  }

  sendFew<T>(request: RowRequest, take: (rows: RowsOut) => Promise<T>): Promise<T> {
    return this.send(request, 'staged', (rows) => take(rows()));
  }

  /** It needs no more. */
  leave(): void {
    this.#move.resolve();
    this.#onMove();
  }

  giveUp(): void {
    const error = new ReplicationError('left_behind', {
      message: `${this.#taker}: takes rows more slowly than the other targets that read ${this.label} with it, and is read for by itself now.`,
      facts: { database: this.#taker, source: this.label },
    });
    this.#givenUp.abort(error);
    this.#branch?.destroy(error);
  }

  #granted(request: RowRequest, form: RowForm): Promise<Branch> {
    this.signal.throwIfAborted();
    const text = selectRows(request, form).inlined();
    const { promise, resolve, reject } = Promise.withResolvers<Branch>();
    const grant = (branch: Branch): void => {
      this.#branch = branch;
      resolve(branch);
    };
    this.#wish = { request, form, text, grant, refuse: reject };
    this.#move.resolve();
    this.#onMove();
    return promise;
  }
}

/** Rows for one of them. */
class Branch extends PassThrough {
  rowCount = 0;

  constructor() {
    super({ highWaterMark: aheadBytesMax });
    // Who takes the rows may not be there yet to hear of a failure, and meets it when it comes.
    this.on('error', () => undefined);
  }

  /** It takes more again, or nothing any more. */
  drained(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const event of ['drain', 'close']) this.once(event, resolve);
    return promise;
  }

  finish(rowCount: number): void {
    this.rowCount = rowCount;
    this.end();
  }
}
