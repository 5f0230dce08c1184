/**
 * Applications that are SERIALIZABLE and never conflict among themselves do not conflict with rounds either (engine rule §17).
 *
 * Seen to fail: with rounds that are SERIALIZABLE themselves (`reader.ts`, `writer.ts`) both sides fail.
 */
import { expect, it } from 'vitest';
import { isReplicationError } from '../../src/model/errors.ts';
import { sql } from '../../src/pg/sql.ts';
import { createGang } from '../support/gang.ts';
import { again, together, type Work } from '../support/workload.ts';

const tables = ['a1', 'a2', 'b1', 'b2'];
const schema = tables
  .map(
    (name) =>
      `create table ${name} (id int primary key, value int not null); insert into ${name} select n, 0 from generate_series(1, 20) n`,
  )
  .join('; ');

it('see no serialization failure that they would not have seen without rounds, and neither do rounds', async () => {
  await using gang = await createGang({ roles: { A: 'source', B: 'source' }, schema, tables });
  const failures = { alone: 0, beside: 0 };
  const commits = { alone: 0, beside: 0 };
  /** Reads its own table and all that the other side writes, and writes its own. */
  const application =
    (phase: keyof typeof failures, name: string, own: string): Work =>
    async (isOver) => {
      const session = await gang.another(name);
      const foreign = tables.filter((table) => !table.startsWith(name.toLowerCase()));
      await again(2, async (step) => {
        try {
          await session.script(
            sql`begin isolation level serializable`,
            ...[own, ...foreign].map((table) => sql`select sum(value) from ${sql.id('public', table)}`),
            sql`update ${sql.id('public', own)} set value = value + 1 where id = ${1 + (step % 20)}::int`,
            sql`commit`,
          );
          commits[phase] += 1;
        } catch (error) {
          if (!isReplicationError(error, 'given_way')) throw error;
          failures[phase] += 1;
          await session.script(sql`rollback`);
        }
      })(isOver);
    };
  const applications = (phase: keyof typeof failures): Work[] =>
    tables.map((table) => application(phase, table.startsWith('a') ? 'A' : 'B', table));
  await together(2_000, applications('alone'));
  let rounds = 0;
  await together(5_000, [
    ...applications('beside'),
    again(0, async () => {
      for (const [name, outcome] of Object.entries(await gang.round())) {
        expect(outcome.kind, name).not.toBe('bad');
        if (outcome.kind === 'good') rounds += 1;
      }
    }),
  ]);
  expect(failures).toEqual({ alone: 0, beside: 0 });
  expect(commits.beside).toBeGreaterThan(100);
  expect(rounds).toBeGreaterThan(5);
  await gang.expectEqual();
});
