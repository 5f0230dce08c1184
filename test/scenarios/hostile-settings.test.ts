/**
 * The role of Tahr, and the databases, have been given settings that would ruin replication: time limits of milliseconds,
 * read-only SERIALIZABLE transactions, another search path, other forms of values, commits that nobody waits for.
 *
 * Seen to fail, one setting of session.ts taken out at a time: without that of `statement_timeout` queries are cancelled, without
 * `default_transaction_read_only` nothing is installed, without `idle_in_transaction_session_timeout` the source ends its sessions.
 */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createGang, type Gang } from '../support/gang.ts';

const hostile = {
  statement_timeout: '30ms',
  lock_timeout: '1ms',
  idle_in_transaction_session_timeout: '1ms',
  default_transaction_isolation: 'serializable',
  default_transaction_read_only: 'on',
  default_transaction_deferrable: 'on',
  search_path: 'nowhere',
  row_security: 'on',
  synchronous_commit: 'off',
  work_mem: '64kB',
  DateStyle: 'SQL, DMY',
  IntervalStyle: 'sql_standard',
  TimeZone: 'Asia/Kolkata',
  extra_float_digits: '-15',
  bytea_output: 'escape',
  client_min_messages: 'debug1',
  standard_conforming_strings: 'off',
  enable_indexscan: 'off',
} as const;

const schema = `
  create table orders (id int primary key, note text, at timestamptz, span interval, share float8, raw bytea);
  create table visits (day date primary key, pages int)`;

const grants = (role: string, database: string): string =>
  [
    `create role ${role} login superuser`,
    ...Object.entries(hostile).map(
      ([name, value]) => `alter role ${role} in database ${database} set ${name} = '${value}'`,
    ),
  ].join('; ');

const createShop = (role: string): Promise<Gang> =>
  createGang({
    roles: { A: 'source', B: 'source', C: 'target' },
    schema,
    tables: ['orders', 'visits'],
    role: {
      name: role,
      grants: (name, database) =>
        grants(role, database).slice(name === 'A' ? 0 : grants(role, '').indexOf(';') + 1),
    },
  });

test('rounds do what they do elsewhere, whatever the role was given', async () => {
  await using gang = await createShop(`hostile_${randomBytes(4).toString('hex')}`);
  await gang.run(
    'A',
    `insert into orders select n, repeat('x', 300), timestamptz '2026-01-02 03:04:05.678901+02', interval '1 year -2 days 03:04:05',
            0.1::float8 + n, '\\x00ff5c27' from generate_series(1, 20000) n;
     insert into visits select date '2026-02-03' + n, n from generate_series(1, 100) n`,
  );
  await gang.run('B', `insert into orders values (7, 'of B', now(), '1 mon', 'NaN', '')`);
  await gang.expectEqual();
  expect(await gang.rows('C', 'orders')).toHaveLength(20_000);
  expect(await gang.conflicts('A')).toHaveLength(1);
});

test('a round waits for an application that holds a row, and gives way to it in its own time', async () => {
  await using gang = await createShop(`hostile_${randomBytes(4).toString('hex')}`);
  await gang.run('A', `insert into orders values (1, 'one')`);
  await gang.settle();
  await gang.run('A', `update orders set note = 'two'`);
  await gang.run('B', 'begin; select from orders for update');
  const round = gang.round('B');
  await new Promise((resolve) => setTimeout(resolve, 100));
  await gang.run('B', 'commit');
  expect(await round).toMatchObject({ B: { kind: 'good' } });
  await gang.expectEqual();
});
