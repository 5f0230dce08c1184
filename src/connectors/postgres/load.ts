/**
 * Rows on their way in: COPY data from a source, passed on as it arrives, into a stage or an empty table.
 *
 * Nothing is assembled and nothing is parsed: a row of 50 MB costs what a small one costs (engine rule R8).
 */
import { type Readable, Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { failureOf } from '../../pg/failure.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { copyIn, type ReplacementPlan } from './replacement.ts';
import { stagedColumnNames, type StagePlan } from './stage.ts';
import { ensureStages, noteStaged } from './stage-table.ts';

/** Asked for when there is something to take them: a stream that nobody reads would hold up its session. */
export interface Incoming<R extends Readable = Readable> {
  readonly rows: () => R;
  /** The name of the database that sends them, for messages. */
  readonly sender: string;
  /** Told how many more bytes have passed. */
  readonly onBytes: (bytes: number) => void;
  /** Waited for once, when the first bytes have come from the sender and the taker has not got them yet. */
  readonly midway: () => Promise<void>;
}

/** Above this a stage is analyzed, so that no plan is made for an empty table. */
const analyzeBytesMin = 500_000;

/** @returns how many rows have come */
export const fillStage = async (session: Session, plan: StagePlan, incoming: Incoming): Promise<number> => {
  await ensureStages(session, [plan]);
  const { bytes, rowCount } = await copy(session, copyIntoStage(plan), incoming);
  noteStaged(session, plan, rowCount);
  if (bytes > analyzeBytesMin) await session.script(...analyze(plan));
  return rowCount;
};

/** Rows that have come already, in one message; the stage is there. */
export const fillStageAtOnce = async (session: Session, plan: StagePlan, rows: Buffer): Promise<void> => {
  noteStaged(session, plan, await session.load(copyIntoStage(plan), rows));
};

const copyIntoStage = (plan: StagePlan): Sql =>
  sql`copy ${plan.stage} (${stagedColumnNames(plan)}) from stdin with (format binary)`;

/** How many rows there are is what counts, and a small sample tells it. */
const analyze = (plan: StagePlan): Sql[] => [
  sql`set local default_statistics_target = 10`,
  sql`analyze ${plan.stage}`,
  sql`set local default_statistics_target to default`,
];

/** Fills an empty table. Returns how many rows it has now. */
export const fillTable = async (session: Session, plan: StagePlan, incoming: Incoming): Promise<number> => {
  const columns = sql.join(plan.columns.map(({ name }) => sql.id(name)));
  const { schema, name } = plan.table.relation;
  const target = sql`copy ${sql.id(schema, name)} (${columns}) from stdin with (format binary)`;
  return (await copy(session, target, incoming)).rowCount;
};

/** Fills a table that has been emptied. @returns how many rows have come */
export const fillReplaced = async (
  session: Session,
  plan: ReplacementPlan,
  incoming: Incoming,
): Promise<number> => (await copy(session, copyIn(plan), incoming)).rowCount;

interface Copied {
  readonly bytes: number;
  readonly rowCount: number;
}

const copy = async (
  session: Session,
  statement: Sql,
  { rows, sender, onBytes, midway }: Incoming,
): Promise<Copied> => {
  const counter = new ByteCounter(onBytes, midway);
  // A pipeline fails with the error of whichever side broke, and does not say which: the first to tell is the one.
  let broken: string | null = null;
  try {
    const taker = session.copyIn(statement);
    taker.once('error', () => (broken ??= session.label));
    const giver = rows();
    giver.once('error', () => (broken ??= sender));
    if (giver.errored !== null) broken = sender;
    await pipeline(giver, counter, taker);
    return { bytes: counter.bytes, rowCount: taker.rowCount };
  } catch (error) {
    throw failureOf(error, broken ?? session.label);
  }
};

class ByteCounter extends Transform {
  bytes = 0;
  readonly #onBytes: (bytes: number) => void;
  readonly #midway: () => Promise<void>;

  constructor(onBytes: (bytes: number) => void, midway: () => Promise<void>) {
    super();
    this.#onBytes = onBytes;
    this.#midway = midway;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const isFirst = this.bytes === 0;
    this.bytes += chunk.length;
    this.#onBytes(chunk.length);
    if (isFirst) this.#midway().then(() => done(null, chunk), done);
    else done(null, chunk);
  }
}
