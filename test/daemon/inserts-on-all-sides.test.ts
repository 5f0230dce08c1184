/**
 * The set: rows are inserted on three sources at once, one by one and in bulk, in short transactions and in such that stay open, and
 * some are taken back.
 *
 * Seen to fail: with positions that count transactions in progress as seen (`isBeyond` in `position.ts`), rows are missing.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { again, together, type Work } from '../support/workload.ts';
import { createInstallation } from './installation.ts';

const levels = ['read committed', 'repeatable read', 'serializable'];

test('every row that was committed on any of them is on all of them in the end, and no other', async () => {
  const shop = await createInstallation({
    roles: { A: 'source', B: 'source', C: 'source', D: 'target' },
    schema: 'create table item (origin text, n int, primary key (origin, n))',
    tables: ['item'],
  });
  shop.startDaemon();
  const committed: string[] = [];
  const insert =
    (name: string, worker: number): Work =>
    async (isOver) => {
      const session = await shop.database(name).session('application');
      const origin = `${name}${worker}`;
      let next = 1;
      await again(4, async (step) => {
        const first = next;
        const last = first + (step % 10 === 0 ? 50 : 0);
        await session.script(
          sql`begin isolation level ${sql.verbatim(levels[step % 3] ?? '')}`,
          sql`insert into public.item select ${origin}, n from generate_series(${first}::int, ${last}::int) n`,
        );
        if (step % 23 === worker) await wait(300);
        const isTakenBack = step % 7 === 3;
        await session.script(isTakenBack ? sql`rollback` : sql`commit`);
        if (isTakenBack) return;
        for (let n = first; n <= last; n += 1) committed.push(`(${origin},${n})`);
        next = last + 1;
      })(isOver);
    };
  await together(
    5_000,
    ['A', 'B', 'C'].flatMap((name) => [1, 2, 3].map((worker) => insert(name, worker))),
  );
  await shop.equal(30_000);
  expect(committed.length).toBeGreaterThan(500);
  expect(new Set(await shop.rows('D', 'item'))).toEqual(new Set(committed));
});
