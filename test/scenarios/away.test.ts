/** A source that was away for long, and members that come and go. */
import { describe, expect, test } from 'vitest';
import type { Role } from '../../src/model/topology.ts';
import { createGang } from '../support/gang.ts';

const schema = 'create table items (id bigint primary key, note text not null, n int not null default 0)';
const three = { A: 'source', B: 'source', C: 'source' } as const;

test('a source that missed 100,000 changes, and made some of its own, catches up in one round', async () => {
  await using gang = await createGang({ roles: three, schema, tables: ['items'] });
  await gang.run('A', `insert into items select n, 'of A' from generate_series(1, 60000) n`);
  await gang.roundOf(['A', 'B']);
  await gang.run('B', `update items set note = 'of B' where id <= 40000`);
  await gang.run('C', `insert into items select n, 'of C' from generate_series(59001, 61000) n`);
  await gang.roundOf(['A', 'B']);
  const outcomes = await gang.round();
  expect(outcomes).toMatchObject({ C: { kind: 'good', applied: { inserted: 59_000 } } });
  await gang.expectEqual();
  expect(await gang.rows('A', 'items')).toHaveLength(61_000);
  expect(await gang.conflicts('A')).toHaveLength(1_000);
}, 240_000);

// Fails when brought versions go no further while their origin is away (npm run mutate).
test('two that were away one after the other, and never met the first, end equal with it', async () => {
  await using gang = await createGang({ roles: { ...three, D: 'source' }, schema, tables: ['items'] });
  await gang.run('A', `insert into items values (1, 'of A'), (2, 'of A')`);
  await gang.roundOf(['A', 'B']);
  await gang.run('B', `update items set note = 'of B' where id = 1`);
  await gang.roundOf(['B', 'C']);
  await gang.run('C', `delete from items where id = 2`);
  await gang.roundOf(['C', 'D']);
  expect(await gang.rows('D', 'items')).toEqual(['(1,"of B",0)']);
  await gang.roundOf(['A', 'D']);
  expect(await gang.rows('A', 'items')).toEqual(['(1,"of B",0)']);
  await gang.expectEqual();
  for (const name of ['A', 'B', 'C', 'D']) expect(await gang.conflicts(name)).toEqual([]);
});

// Fails when a target's position is acknowledged where a source is behind it (npm run mutate).
test('a target that goes back to what the sources know of one that is away finds it still there', async () => {
  await using gang = await createGang({ roles: { ...three, T: 'target' }, schema, tables: ['items'] });
  await gang.run('B', `insert into items values (1, 'of B')`);
  await gang.round('T');
  // The second pass begins another segment, so that the first one can be emptied.
  await gang.maintain();
  await gang.maintain();
  await gang.run('A', `insert into items values (2, 'of A')`);
  // Of B, T knows what A and C know from here on: less than before.
  await gang.roundOf(['A', 'C'], ['T']);
  await gang.round();
  for (let pass = 0; pass < 2; pass += 1) await gang.maintain('A', 'B', 'C');
  await gang.expectEqual();
  expect(await gang.rows('T', 'items')).toEqual(['(1,"of B",0)', '(2,"of A",0)']);
});

describe('members', () => {
  const joining = async (roles: Readonly<Record<string, Role>> = three) => {
    const gang = await createGang({ roles, schema, tables: ['items'] });
    const { members } = gang.sync;
    return {
      gang,
      members,
      leave: async (name: string): Promise<void> => {
        await gang.update({ members: members.filter(({ database }) => database.name !== name) });
        // As the command line leaves a database that is taken out of a sync.
        await gang.run(name, 'delete from tahr.position; delete from tahr.consumer');
      },
    };
  };

  test('one that leaves hinders nobody, and what it brought stays', async () => {
    const { gang, leave } = await joining({ ...three, D: 'target' });
    await using _ = gang;
    await gang.run('C', `insert into items values (1, 'of C')`);
    await gang.roundOf(['B', 'C']);
    await leave('C');
    await gang.settle();
    expect(await gang.rows('A', 'items')).toEqual(['(1,"of C",0)']);
    await gang.run('A', `update items set note = 'of A'`);
    await gang.roundOf(['A', 'B']);
    expect(await gang.rows('B', 'items')).toEqual(['(1,"of A",0)']);
    await gang.settle();
    expect(await gang.rows('C', 'items')).toEqual(['(1,"of C",0)']);
  });

  test('one that joins is filled by a copy, which leaves the others in peace', async () => {
    const { gang, members, leave } = await joining();
    await using _ = gang;
    await leave('C');
    await gang.run('A', `insert into items select n, 'of A' from generate_series(1, 100) n`);
    await gang.roundOf(['A', 'B']);
    await gang.update({ members, onetimecopy: 1, copyGeneration: gang.sync.copyGeneration + 1 });
    await gang.round('A');
    await gang.run('B', `update items set note = 'of B' where id = 1`);
    await gang.expectEqual();
    expect(await gang.rows('C', 'items')).toHaveLength(100);
    expect(await gang.rows('C', 'items')).toContain('(1,"of B",0)');
    await gang.run('C', `update items set note = 'of C' where id = 2`);
    await gang.expectEqual();
    expect(await gang.rows('A', 'items')).toContain('(2,"of C",0)');
  });

  test('one that joins with the same rows takes part from then on', async () => {
    const { gang, members, leave } = await joining();
    await using _ = gang;
    await leave('C');
    await gang.run('A', `insert into items values (1, 'of A')`);
    await gang.roundOf(['A', 'B']);
    await gang.run('C', `insert into items values (1, 'of A')`);
    await gang.update({ members });
    await gang.run('B', `update items set note = 'of B'`);
    await gang.expectEqual();
    expect(await gang.rows('C', 'items')).toEqual(['(1,"of B",0)']);
    expect(await gang.conflicts('C')).toEqual([]);
  });
});
