/** Applications write the rows that rounds are moving, on both sides, all the time. */
import { expect, it } from 'vitest';
import { isReplicationError } from '../../src/model/errors.ts';
import { connect } from '../../src/pg/conninfo.ts';
import { sql } from '../../src/pg/sql.ts';
import { createGang, type Gang } from '../support/gang.ts';

const hotRows = 20;
const schema = 'create table hot (id int primary key, note text, changes int not null default 0)';

interface Tally {
  writes: number;
  falseMisses: number;
  failures: Record<string, number>;
}

/** Changes random rows until told to stop. Rows 1 to 10 are never deleted: an update that misses one is false. */
const writeUntil = async (gang: Gang, name: string, isOver: () => boolean, tally: Tally): Promise<void> => {
  const member = gang.sync.members.find(({ database }) => database.name === name);
  await using session = await connect(member?.database.parameters ?? {}, {
    label: name,
    applicationName: 'writer',
  });
  const pick = (from: number, count: number): number => from + Math.floor(Math.random() * count);
  for (let n = 0; !isOver(); n += 1) {
    const dice = Math.random();
    const note = `${name} ${n}`;
    const isolation = sql.verbatim(Math.random() < 0.2 ? 'repeatable read' : 'read committed');
    try {
      await session.script(sql`begin isolation level ${isolation}`);
      if (dice < 0.5) {
        const [count] = await session.counts(
          sql`update public.hot set note = ${note}, changes = changes + 1 where id = ${pick(1, 10)}`,
        );
        if (count === 0) tally.falseMisses += 1;
      } else if (dice < 0.75)
        await session.script(
          sql`insert into public.hot values (${pick(11, 10)}, ${note}) on conflict (id) do update set note = excluded.note`,
        );
      else if (dice < 0.92) await session.script(sql`delete from public.hot where id = ${pick(11, 10)}`);
      else
        await session.script(
          sql`update public.hot set id = id + 1 where id = ${pick(11, 9)} and not exists (select from public.hot h where h.id = hot.id + 1)`,
        );
      await session.script(Math.random() < 0.1 ? sql`rollback` : sql`commit`);
      tally.writes += 1;
    } catch (error) {
      if (!isReplicationError(error)) throw error;
      tally.failures[error.code] = (tally.failures[error.code] ?? 0) + 1;
      await session.script(sql`rollback`);
    }
    await new Promise((done) => setTimeout(done, 3));
  }
};

it('ends equal, and no application sees an error or a false miss of ours', async () => {
  await using gang = await createGang({
    roles: { A: 'source', B: 'source', C: 'target' },
    schema,
    seed: Object.fromEntries(
      ['A', 'B', 'C'].map((name) => [
        name,
        `insert into hot select n, 'start' from generate_series(1, 10) n`,
      ]),
    ),
    tables: ['hot'],
  });
  const tally: Tally = { writes: 0, falseMisses: 0, failures: {} };
  const rounds = { good: 0, empty: 0, bad: 0 };
  const endsAt = Date.now() + 6000;
  const isOver = (): boolean => Date.now() > endsAt;
  const writers = ['A', 'A', 'B', 'B'].map((name) => writeUntil(gang, name, isOver, tally));
  const lane = async (...written: string[]): Promise<void> => {
    while (!isOver())
      for (const outcome of Object.values(await gang.round(...written))) {
        if (outcome.kind === 'bad' && !isReplicationError(outcome.error, 'given_way')) throw outcome.error;
        rounds[outcome.kind] += 1;
      }
  };
  await Promise.all([...writers, lane(), lane('C')]);
  await gang.expectEqual();
  expect(tally.falseMisses).toBe(0);
  expect(
    tally.failures['unique_conflict'] ?? 0,
    'key moves of two applications may collide, rarely',
  ).toBeLessThan(tally.writes / 20);
  expect(rounds.bad).toBeLessThan((rounds.good + rounds.bad) / 4);
  console.log(JSON.stringify({ tally, rounds, conflicts: (await gang.conflicts('A')).length, hotRows }));
});
