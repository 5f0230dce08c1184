/** What the planner makes of the statements of a round, whatever it believes of the tables. */
import { expect, test, vi } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createGang } from '../support/gang.ts';

// Fails where rows that are missing are looked for by scanning: `byIndex` around `insertMissing` (apply-stage.ts).
test('a table that the planner takes for empty is not scanned once for each row that is inserted', async () => {
  await using gang = await createGang({
    roles: { A: 'source', B: 'target' },
    schema: 'create table items (id bigint primary key, note text)',
    tables: ['items'],
  });
  await gang.on('B').script(sql`vacuum analyze public.items`);
  // So much that the stage is analyzed.
  await gang.run('A', `insert into items select i, repeat('new', 70) from generate_series(1, 3000) i`);
  await gang.expectEqual();
  const seen = await vi.waitFor(
    async () => {
      const [row] = await gang.on('B').query(sql`
        select n_tup_ins, seq_scan from pg_stat_user_tables where relname = 'items'`);
      expect(row?.['n_tup_ins']).toBe('3000');
      return row;
    },
    { timeout: 20_000, interval: 200 },
  );
  // Rounds and the comparison scan it a few times; not thousands.
  expect(Number(seen?.['seq_scan'])).toBeLessThan(30);
});

test.each([
  { rows: 'in order', key: "lpad(i::text, 8, '0')" },
  { rows: 'in no order', key: 'md5(i::text)' },
])('a large part of a table is sent and written whose rows lie $rows', async ({ key }) => {
  await using gang = await createGang({
    roles: { A: 'source', B: 'target' },
    schema: 'create table items (id text primary key, n int)',
    tables: ['items'],
  });
  await gang.run('A', `insert into items select ${key}, 0 from generate_series(1, 20000) i`);
  await gang.expectEqual();
  for (const name of ['A', 'B']) await gang.on(name).script(sql`analyze public.items`);
  await gang.run('A', `update items set n = 1 where hashtext(id) % 2 = 0`);
  await gang.run('A', `delete from items where hashtext(id) % 3 = 0`);
  await gang.run('A', `insert into items select id || 'new', 2 from items where n = 0`);
  await gang.expectEqual();
});
