/**
 * Transactions that stay open for the whole run, on every database, while many changes pass by them: some have changed a replicated
 * table, some only hold a snapshot, one has read and written on a target.
 *
 * Seen to fail: with a position that counts those in progress as seen (`isBeyond`) their own changes never arrive; with one that
 * does not move (`readUpTo` in `next-positions.ts`) rounds get slower and slower; with consumers that acknowledge nothing
 * (`acknowledge`) the deltas grow. `position.pg.test.ts` has what thousands of rounds would cost.
 */
import { expect, test } from 'vitest';
import type { Session } from '../../src/pg/session.ts';
import { type Sql, sql } from '../../src/pg/sql.ts';
import { createGang, type Gang } from '../support/gang.ts';

const roles = { A: 'source', B: 'source', C: 'target' } as const;
const schema = `create table item (id int primary key, changes int not null default 0); create table other (id int);
  insert into item select n from generate_series(1, 10000) n`;
const stepCount = 45;
const rowsPerStep = 50;

test('hinder nobody: changes of others arrive, rounds stay as fast, deltas are discarded, and in the end their own arrive', {
  timeout: 180_000,
}, async () => {
  await using gang = await createGang({ roles, schema, tables: ['item'] });
  const readers = [
    await open(gang, 'A', read),
    await open(gang, 'B', read),
    await open(gang, 'C', read, sql`insert into public.other values (1)`),
  ];
  const writers = [
    await open(gang, 'A', sql`insert into public.item values (20001)`),
    await open(gang, 'B', sql`insert into public.item values (20002)`),
  ];

  /** Of the rounds of a step, in units of a piece of work that is always the same: other work on the machine makes both slower. */
  const costs: number[] = [];
  const sizes: number[] = [];
  for (let step = 0; step < stepCount; step += 1) {
    await change(gang, 'A', 1 + step * rowsPerStep);
    await change(gang, 'B', 5001 + step * rowsPerStep);
    const yardstickMs = await timeOf(() => work(gang));
    const roundsMs = await timeOf(async () => {
      expect(await gang.round()).toMatchObject({ A: { kind: 'good' }, B: { kind: 'good' } });
      expect(await gang.round('C')).toMatchObject({ C: { kind: 'good' } });
    });
    costs.push(roundsMs / yardstickMs);
    await gang.maintain();
    sizes.push(await segmentBytes(gang, 'A'));
  }

  expect(median(costs.slice(-15)), 'rounds in the end').toBeLessThan(2.5 * median(costs.slice(0, 15)));
  expect(Math.max(...sizes.slice(-15)), 'deltas in the end').toBeLessThanOrEqual(
    1.5 * Math.max(...sizes.slice(0, 15)),
  );
  expect(await gang.rows('C', 'item')).toHaveLength(10_000);
  for (const session of [...readers, ...writers]) await session.script(sql`commit`);
  await gang.expectEqual();
  expect(await gang.rows('C', 'item')).toHaveLength(10_002);
  for (let pass = 0; pass < 3; pass += 1) await gang.maintain();
  expect(await segmentBytes(gang, 'A'), 'deltas when nobody is open').toBeLessThan(Math.max(...sizes));
});

const read = sql`select count(*) from public.item`;

const open = async (gang: Gang, name: string, ...statements: readonly Sql[]): Promise<Session> => {
  const session = await gang.another(name);
  await session.script(sql`begin isolation level repeatable read`, ...statements);
  return session;
};

const change = (gang: Gang, name: string, first: number): Promise<void> =>
  gang.run(
    name,
    `update item set changes = changes + 1 where id between ${first} and ${first + rowsPerStep - 1}`,
  );

const timeOf = async (what: () => Promise<void>): Promise<number> => {
  const startedAt = performance.now();
  await what();
  return performance.now() - startedAt;
};

const work = async (gang: Gang): Promise<void> => {
  for (let n = 0; n < 20; n += 1)
    await gang.on('A').query(sql`select md5(string_agg(n::text, '')) from generate_series(1, 2000) n`);
};

const segmentBytes = async (gang: Gang, name: string): Promise<number> => {
  const [row] = await gang.on(name).query(sql`
    select sum(pg_relation_size(c.oid)) as bytes from pg_class c
     where c.relnamespace = 'tahr'::regnamespace and c.relname like 'd\_%' and c.relkind = 'r'`);
  return Number(row?.['bytes']);
};

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
