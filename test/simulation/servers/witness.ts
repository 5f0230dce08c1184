/** What each database says of itself in the end: what applications did there, the rows that it holds, the conflicts that it has recorded. */
import { readFileSync } from 'node:fs';
import type { Row, Session } from '../../../src/pg/session.ts';
import { type Sql, sql } from '../../../src/pg/sql.ts';
import type { TablePlan } from './tables.ts';

/** What a transaction did to a row, or the truncation of a table (`key` is null). Committed, and in the order in which it was done. */
export interface Write {
  readonly xid: string;
  /** When the transaction started, when this was written, and when it was committed; microseconds since 1970. */
  readonly at: bigint;
  readonly clock: bigint;
  readonly committedAt: bigint;
  readonly table: string;
  readonly key: string | null;
  /** The tokens of the row before and after; null where there was none. */
  readonly before: string | null;
  readonly after: string | null;
  readonly image: Image | null;
}

/** A row by its columns, all values as text. */
export type Image = Readonly<Record<string, string | null>>;

export interface HeldRow {
  readonly key: string;
  readonly image: Image;
}

export interface RecordedVersion {
  /** The ids of the databases that held it and that made it. */
  readonly database: number;
  readonly origin: number;
  readonly xid: string;
  readonly at: bigint;
  readonly won: boolean;
  readonly image: Image | null;
}

export interface ConflictRecord {
  readonly id: string;
  readonly sync: string;
  readonly table: number;
  readonly kind: string;
  readonly winner: number | null;
  readonly strategy: string;
  /** Microseconds since 1970. */
  readonly decidedAt: bigint;
  readonly versions: readonly RecordedVersion[];
}

export interface Chronicle {
  readonly database: string;
  readonly writes: readonly Write[];
  readonly rows: ReadonlyMap<string, readonly HeldRow[]>;
  readonly records: readonly ConflictRecord[];
}

const program = readFileSync(new URL('witness.sql', import.meta.url), 'utf8');

/** Statements that make the witness of a database. @param label in the tokens of what is written there */
export const installWitness = (label: string, tables: readonly TablePlan[]): Sql[] => [
  sql.verbatim(program.replaceAll(':label', label)),
  ...tables.map(({ name, keyColumns }) => {
    const columns = sql.join(keyColumns.map((column) => sql.literal(column)));
    const table = sql.id('public', name);
    return sql`
      create trigger mark before insert or update on ${table} for each row execute function witness.mark();
      create trigger note after insert or update or delete on ${table} for each row execute function witness.note(${columns});
      create trigger note_truncation before truncate on ${table} execute function witness.note_truncation(${columns})`;
  }),
];

export const readChronicle = async (
  session: Session,
  database: string,
  tables: readonly TablePlan[],
): Promise<Chronicle> => {
  const [writes = [], records = [], ...rows] = await session.script(
    sql`select *, (extract(epoch from at) * 1000000)::bigint as at_micros, (extract(epoch from clock) * 1000000)::bigint as clock_micros,
               (extract(epoch from pg_xact_commit_timestamp(xid::xid)) * 1000000)::bigint as committed_micros
          from witness.write order by id`,
    sql`select * from tahr.conflict order by decided_at, id`,
    ...tables.map(
      ({ name, keyColumns }) => sql`
        select (select jsonb_agg(to_jsonb(t) ->> c)::text from unnest(${keyColumns}::text[]) c) as key, witness.image_of(t) as image
          from ${sql.id('public', name)} t order by 1`,
    ),
  );
  return {
    database,
    writes: writes.map((row) => ({
      xid: row['xid'] ?? '',
      at: BigInt(row['at_micros'] ?? ''),
      clock: BigInt(row['clock_micros'] ?? ''),
      committedAt: BigInt(row['committed_micros'] ?? ''),
      table: row['tbl'] ?? '',
      key: row['key'] ?? null,
      before: row['before'] ?? null,
      after: row['after'] ?? null,
      image: row['image'] == null ? null : imageOf(row['image']),
    })),
    records: records.map(recordOf),
    rows: new Map(
      tables.map(({ name }, index) => [
        name,
        (rows[index] ?? []).map((row) => ({ key: row['key'] ?? '', image: imageOf(row['image'] ?? '{}') })),
      ]),
    ),
  };
};

/** @param row of the table `conflict`, on a database or, with `relation` as `tbl`, in the control store */
export const recordOf = (row: Row): ConflictRecord => ({
  id: row['id'] ?? '',
  sync: row['sync'] ?? '',
  table: Number(row['tbl']),
  kind: row['kind'] ?? '',
  winner: row['winner'] == null ? null : Number(row['winner']),
  strategy: row['strategy'] ?? '',
  decidedAt: microsOf(row['decided_at'] ?? ''),
  versions: versionsOf(row['versions'] ?? '[]'),
});

const imageOf = (json: string): Image => JSON.parse(json) as Image;

interface WireVersion {
  readonly database: number;
  readonly origin: number;
  readonly xid: string;
  readonly at: string;
  readonly won: boolean;
  readonly row: Image | null;
}

const versionsOf = (json: string): RecordedVersion[] =>
  (JSON.parse(json) as WireVersion[]).map(({ database, origin, xid, at, won, row }) => ({
    database,
    origin,
    xid,
    won,
    at: microsOf(at),
    image: row,
  }));

/** JavaScript's own time has milliseconds. */
const microsOf = (iso: string): bigint => {
  const fraction = /\.(\d+)/.exec(iso)?.[1] ?? '';
  const seconds = Date.parse(iso.replace(/\.\d+/, '')) / 1000;
  return BigInt(seconds) * 1_000_000n + BigInt(fraction.padEnd(6, '0'));
};
