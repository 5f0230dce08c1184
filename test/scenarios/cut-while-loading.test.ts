import { setTimeout as wait } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createGang, type Gang } from '../support/gang.ts';

const schema =
  'create table big (id int primary key, note text); create table small (id int primary key, note text)';
const fill = `insert into big select n, repeat('x', 400) from generate_series(1, 100000) n; insert into small values (1, 'one')`;

/** Ends the connection that is in the middle of this COPY. */
const cut = (gang: Gang, name: string, copying: string): Promise<void> =>
  vi.waitFor(
    async () => {
      const rows = await gang.on(name).query(sql`
        select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and state = 'active' and query like ${copying}`);
      expect(rows).toHaveLength(1);
    },
    { timeout: 10_000, interval: 1 },
  );

/** A round that hangs would hang for ever. */
const within = async <T>(timeMs: number, work: Promise<T>): Promise<T | 'hangs'> =>
  Promise.race([work, wait(timeMs, 'hangs' as const)]);

it('a target that is lost in the middle of a COPY fails the round, and the next one repeats it', async () => {
  await using gang = await createGang({
    roles: { A: 'source', B: 'target' },
    schema,
    tables: ['big', 'small'],
  });
  await gang.run('A', fill);
  const round = within(20_000, gang.round('B'));
  await cut(gang, 'B', 'copy%from stdin%');
  expect(await round).toMatchObject({ B: { kind: 'bad', error: { code: 'database_unreachable' } } });
  await gang.expectEqual();
});

it('a source that is lost in the middle of a COPY fails the round, and the next one repeats it', async () => {
  await using gang = await createGang({
    roles: { A: 'source', B: 'target' },
    schema,
    tables: ['big', 'small'],
  });
  await gang.run('A', fill);
  const round = within(
    20_000,
    gang.round('B').catch((error: unknown) => error),
  );
  await cut(gang, 'A', '%copy (%');
  expect(await round).not.toBe('hangs');
  expect(await gang.rows('B', 'small')).toEqual([]);
  await gang.expectEqual();
});

it('of two sources the one that is not lost commits what it has received', async () => {
  await using gang = await createGang({
    roles: { A: 'source', B: 'source' },
    schema,
    tables: ['big', 'small'],
  });
  await gang.run('A', fill);
  await gang.run('B', `insert into small values (2, 'two')`);
  const round = within(20_000, gang.round());
  await cut(gang, 'B', 'copy%from stdin%');
  expect(await round).toMatchObject({ A: { kind: 'good' }, B: { kind: 'bad' } });
  expect(await gang.rows('A', 'small')).toEqual(['(1,one)', '(2,two)']);
  await gang.expectEqual();
});
