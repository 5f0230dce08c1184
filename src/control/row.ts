/**
 * From the text that the server sends to typed values: `row({ sync: text, expiresAt: timestamp })`.
 *
 * A value that does not decode is a bug in the query above it, so it is an assertion and not an expected failure.
 */
import assert from 'node:assert/strict';
import type { z } from 'zod';
import type { Row } from '../pg/session.ts';
import { type Sql, sql } from '../pg/sql.ts';

/** Milliseconds since 1970. */
export type EpochMs = number;

/** The string or null of one column, made into a value. */
type Decoder<T> = (value: string | null, column: string) => T;

/** How a row of a query becomes an object. */
export type RowShape<T> = (row: Row) => T;

type Decoded<S> = { readonly [K in keyof S]: S[K] extends Decoder<infer T> ? T : never };

/** One decoder for each column of the query, under the column's name. */
export const row =
  <S extends Record<string, Decoder<unknown>>>(decoders: S): RowShape<Decoded<S>> =>
  (source) =>
    Object.fromEntries(
      Object.entries(decoders).map(([column, decode]) => {
        const value = source[column];
        assert(value !== undefined, `the query has no column ${column}`);
        return [column, decode(value, column)];
      }),
    ) as Decoded<S>;

const present = (value: string | null, column: string): string => {
  assert(value !== null, `column ${column} is null`);
  return value;
};

export const text: Decoder<string> = present;

/** Text that is one of a brand or union of strings; a check constraint or a foreign key in the schema says so. */
export const textAs =
  <T extends string>(): Decoder<T> =>
  (value, column) =>
    present(value, column) as T;

/** An integer of any width that JavaScript holds exactly. */
export const integer: Decoder<number> = (value, column) => {
  const number = Number(present(value, column));
  assert(Number.isSafeInteger(number), `column ${column} holds ${value}`);
  return number;
};

/** An integer that is an identifier of its own type. */
export const integerAs =
  <T extends number>(): Decoder<T> =>
  (value, column) =>
    integer(value, column) as T;

/** A number for people, where the last digits do not matter. */
export const decimal: Decoder<number> = (value, column) => {
  const number = Number(present(value, column));
  assert(Number.isFinite(number), `column ${column} holds ${value}`);
  return number;
};

export const bigint: Decoder<bigint> = (value, column) => BigInt(present(value, column));

export const boolean: Decoder<boolean> = (value, column) => present(value, column) === 't';

/** The server's `2026-01-02 03:04:05.678901+00` (session time zone UTC), to the millisecond. */
export const timestamp: Decoder<EpochMs> = (value, column) => {
  const time = Date.parse(present(value, column).replace(' ', 'T').replace(/\+00$/, 'Z'));
  assert(!Number.isNaN(time), `column ${column} holds ${value}`);
  return time;
};

/** A json or jsonb column of that form. Never used for values of replicated rows. */
export const json =
  <T>(form: z.ZodType<T>): Decoder<T> =>
  (value, column) =>
    form.parse(JSON.parse(present(value, column)));

export const nullable =
  <T>(decode: Decoder<T>): Decoder<T | null> =>
  (value, column) =>
    value === null ? null : decode(value, column);

/** A time as SQL; null stays null. */
export const instant = (time: EpochMs | null): Sql => sql`to_timestamp(${time}::double precision / 1000)`;
