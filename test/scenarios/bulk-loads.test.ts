/**
 * Loads in all the ways in which PostgreSQL takes rows, while rounds run: COPY, COPY FREEZE into a table that is emptied each time, MERGE,
 * upserts, statements with several changes in one.
 *
 * Seen to fail: where the update trigger is not made (`capture-program.ts`), and where truncations are not read (`delivery.ts`).
 */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { isReplicationError } from '../../src/model/errors.ts';
import type { Session } from '../../src/pg/session.ts';
import { type Sql, sql } from '../../src/pg/sql.ts';
import { createGang, type Gang } from '../support/gang.ts';

const schema = `
  create table items (id int primary key, note text, loads int not null default 1);
  create table batch (id int primary key, load int not null)`;
const loadCount = 40;
const loadEveryMs = 100;
const refillCount = 8;
const refillEveryMs = 500;
const rowsPerLoad = 50;

const copy = async (session: Session, statement: Sql, rows: readonly string[]): Promise<void> =>
  pipeline(Readable.from(rows.map((row) => `${row}\n`)), session.copyIn(statement));

/** On the rows from `base` on, which one database writes alone. */
const loads: readonly ((load: number, base: number) => string)[] = [
  (load, base) => `
    insert into public.items select ${base} + n, 'upsert ${load}' from generate_series(1, ${rowsPerLoad}) n
        on conflict (id) do update set note = excluded.note, loads = items.loads + 1`,
  (load, base) => `
    merge into public.items i using generate_series(${base} + 10, ${base} + 10 + ${rowsPerLoad}) n on i.id = n
     when matched and i.loads > 3 then delete
     when matched then update set note = 'merged ${load}', loads = loads + 1
     when not matched then insert values (n, 'merged ${load}')`,
  (load, base) => `
    with gone as (delete from public.items where id between ${base} + 20 and ${base} + 30 returning id, loads),
         changed as (update public.items set note = 'changed ${load}' where id between ${base} + 31 and ${base} + 40)
    insert into public.items select id + ${rowsPerLoad}, 'moved ${load}', loads from gone
        on conflict (id) do nothing`,
];

const loadAll = async (gang: Gang, name: string, base: number): Promise<void> => {
  const session = await gang.another(name);
  for (let load = 0; load < loadCount; load += 1) {
    await wait(loadEveryMs);
    const first = base + 10_000 + load * rowsPerLoad;
    const rows = Array.from({ length: rowsPerLoad }, (_, n) => `${first + n}\tcopied ${load}\t1`);
    await copy(session, sql`copy public.items from stdin`, rows);
    const statement = loads[load % loads.length] as (typeof loads)[number];
    await session.script(sql.verbatim(statement(load, base)));
  }
};

const refill = async (gang: Gang): Promise<void> => {
  const session = await gang.another('A');
  for (let load = 1; load <= refillCount; load += 1) {
    await wait(refillEveryMs);
    await session.script(sql`begin`, sql`truncate public.batch`);
    const rows = Array.from({ length: rowsPerLoad }, (_, n) => `${load * 7 + n}\t${load}`);
    await copy(session, sql`copy public.batch from stdin (freeze)`, rows);
    await session.script(sql`commit`);
  }
};

/** What may be in the way of a round that meets such loads. */
const isExpected = (error: unknown): boolean =>
  isReplicationError(error, 'given_way') || isReplicationError(error, 'table_altered');

test('rows that are loaded by COPY, COPY FREEZE, MERGE, upserts and writable CTEs while rounds run arrive everywhere', {
  timeout: 120_000,
}, async () => {
  await using gang = await createGang({
    roles: { A: 'source', B: 'source', T: 'target' },
    schema,
    tables: ['items', 'batch'],
  });
  const over = new AbortController();
  const loading = Promise.all([loadAll(gang, 'A', 0), loadAll(gang, 'B', 100_000), refill(gang)]).finally(
    () => over.abort(),
  );
  let goodCount = 0;
  while (!over.signal.aborted)
    for (const lane of [['A', 'B'], ['T']]) {
      const outcomes = await gang.round(...lane).catch((error: unknown) => {
        if (!isExpected(error)) throw error;
        return {};
      });
      for (const outcome of Object.values(outcomes)) {
        if (outcome.kind === 'bad' && !isExpected(outcome.error)) throw outcome.error;
        if (outcome.kind === 'good') goodCount += 1;
      }
    }
  await loading;
  await gang.expectEqual();
  expect(goodCount, 'rounds while rows were loaded').toBeGreaterThan(5);
  expect(await gang.rows('T', 'batch')).toHaveLength(rowsPerLoad);
  expect(await gang.rows('T', 'batch')).toContain(`(${refillCount * 7},${refillCount})`);
  const copied = (await gang.rows('T', 'items')).filter((row) => row.includes('copied'));
  expect(copied).toHaveLength(2 * loadCount * rowsPerLoad);
  for (const name of ['A', 'B']) expect(await gang.conflicts(name)).toEqual([]);
});
