/**
 * A target reads several sources that exchange changes among themselves meanwhile: it sees each of them at another moment, and may have to
 * choose between versions before they do.
 */
import { expect, test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createGang, type Gang } from '../support/gang.ts';
import { put } from '../support/history.ts';

const gangOf = (conflictStrategy: string): Promise<Gang> =>
  createGang({
    roles: { A: 'source', B: 'source', T: 'target' },
    schema: 'create table items (id bigint primary key, note text)',
    tables: ['items'],
    options: { conflictStrategy },
  });

// Fails when a target that has chosen between versions takes them for settled (npm run mutate).
test('a target follows the sources when they settle on another version than it did', async () => {
  await using gang = await gangOf('bucardo_latest_table');
  await gang.run('B', put(1, 'of B'));
  await gang.run('A', put(1, 'of A'));
  await gang.round('T');
  expect(await gang.rows('T', 'items')).toEqual(['(1,"of A")']);
  // Now B has the latest change of the table, and A takes its row while B has nothing to change.
  await gang.run('B', put(2, 'of B'));
  await gang.roundOf(['A', 'B'], ['A']);
  await gang.round();
  await gang.roundOf(['B'], ['T']);
  expect(await gang.rows('T', 'items')).toEqual(['(1,"of B")', '(2,"of B")']);
  await gang.expectEqual();
});

test('a target that has chosen looks again until the sources have settled, and then comes to rest', async () => {
  await using gang = await gangOf('bucardo_latest');
  await gang.run('A', put(1, 'of A'));
  await gang.run('B', put(1, 'of B'));
  for (const _ of [1, 2, 3])
    expect(await gang.round('T')).toMatchObject({ T: { kind: 'good', isSettled: false } });
  await gang.round();
  await gang.round('T');
  expect(await gang.round('T')).toEqual({ T: { kind: 'empty' } });
  expect(await gang.rows('T', 'items')).toEqual(['(1,"of B")']);
});

// Fails when what a source makes after its snapshot is left to it to send (npm run mutate).
test('a change that one source has made after its snapshot, and another has received before its own, is not passed over', async () => {
  await using gang = await gangOf('bucardo_latest');
  await gang.run('B', put(2, 'of B'));
  await gang.roundThatOpens('A', 'T', async () => {
    await gang.run('A', put(1, 'of A'));
    expect(await gang.round()).toMatchObject({ B: { kind: 'good' } });
  });
  // Of A, which is away, the target now takes over what B knows.
  await gang.roundOf(['B'], ['T']);
  expect(await gang.rows('T', 'items')).toEqual(['(1,"of A")', '(2,"of B")']);
  await gang.expectEqual();
});

// Fails when a source is said to know what it makes after its snapshot (npm run mutate).
test('a version that a source has made after its snapshot goes before the one that the source still shows', async () => {
  await using gang = await gangOf('bucardo_latest');
  const later = await gang.another('A');
  // By the clock it is the earlier one, for the transaction starts here.
  await later.script(sql`begin`, sql`select now()`);
  await gang.run('A', put(1, 'before'));
  await gang.roundThatOpens('A', 'T', async () => {
    await later.script(sql.verbatim(put(1, 'after')), sql`commit`);
    expect(await gang.round()).toMatchObject({ B: { kind: 'good' } });
  });
  expect(await gang.rows('T', 'items')).toEqual(['(1,after)']);
  await gang.expectEqual();
});
