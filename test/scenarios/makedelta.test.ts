/** makedelta on real servers: what a sync has brought to a database goes on by the other syncs of that database. */
import { describe, expect, test } from 'vitest';
import { connect } from '../../src/pg/conninfo.ts';
import { sql } from '../../src/pg/sql.ts';
import { put, randomFrom, someOf, testSeed, writeSomething } from '../support/history.ts';
import { createNetwork, type Network } from '../support/network.ts';

const schema = 'create table items (id bigint primary key, note text)';
const tables = ['items'];

const oneWay = (from: string, to: string) => ({ [from]: 'source', [to]: 'target' }) as const;
const bothWays = (one: string, other: string) => ({ [one]: 'source', [other]: 'source' }) as const;

const chain = { ab: oneWay('A', 'B'), bc: oneWay('B', 'C') };
const chainBothWays = { ab: bothWays('A', 'B'), bc: bothWays('B', 'C') };
const ring = { ab: oneWay('A', 'B'), bc: oneWay('B', 'C'), ca: oneWay('C', 'A') };
const ringBothWays = { ab: bothWays('A', 'B'), bc: bothWays('B', 'C'), ca: bothWays('C', 'A') };
const three = ['A', 'B', 'C'];

const deltaCounts = (network: Network, names: readonly string[]): Promise<number[]> =>
  Promise.all(names.map(async (name) => (await network.deltas(name, 'items')).length));

describe('a chain one way', () => {
  test('carries inserts, updates, deletes, changed keys and truncations to its end', async () => {
    await using network = await createNetwork({
      databases: three,
      makedelta: ['B'],
      schema,
      tables,
      syncs: chain,
    });
    const changes: readonly (readonly [string, string[]])[] = [
      [
        `insert into items select i, 'new' from generate_series(1, 4) i`,
        ['(1,new)', '(2,new)', '(3,new)', '(4,new)'],
      ],
      [`update items set note = 'changed' where id = 1`, ['(1,changed)', '(2,new)', '(3,new)', '(4,new)']],
      ['delete from items where id = 2', ['(1,changed)', '(3,new)', '(4,new)']],
      ['update items set id = 30 where id = 3', ['(1,changed)', '(30,new)', '(4,new)']],
      [`truncate items; ${put(5, 'after')}`, ['(5,after)']],
    ];
    for (const [statement, expected] of changes) {
      await network.run('A', statement);
      await network.settle();
      expect(await network.rows('B', 'items'), statement).toEqual(expected);
      expect(await network.rows('C', 'items'), statement).toEqual(expected);
    }
  });

  // Fails when a note tells the time of the round (npm run mutate).
  test('keeps the time and the path of a change', async () => {
    await using network = await createNetwork({
      databases: ['A', 'B', 'C', 'D'],
      makedelta: ['B', 'C'],
      schema,
      tables,
      syncs: { ...chain, cd: oneWay('C', 'D') },
    });
    await network.run('A', put(1, 'of A'));
    await network.settle();
    const [made] = await network.deltas('A', 'items');
    expect(await network.deltas('B', 'items')).toEqual([{ path: '{1}', cascades: 'true', at: made?.at }]);
    expect(await network.deltas('C', 'items')).toEqual([{ path: '{1,2}', cascades: 'true', at: made?.at }]);
    expect(await network.rows('D', 'items')).toEqual(['(1,"of A")']);
  });

  test('carries on what an earlier link has copied', async () => {
    await using network = await createNetwork({
      databases: three,
      makedelta: ['B'],
      schema,
      seed: { A: put(1, 'of A'), B: put(2, 'only B'), C: put(2, 'only B') },
      tables,
      syncs: { bc: chain.bc },
    });
    await network.add('ab', chain.ab, { onetimecopy: 1, copyGeneration: 1 });
    await network.expectEqual();
    expect(await network.rows('C', 'items')).toEqual(['(1,"of A")']);
  });

  test('carries on what an earlier link has copied into an empty table', async () => {
    await using network = await createNetwork({
      databases: three,
      makedelta: ['B'],
      schema,
      seed: { A: put(1, 'of A') },
      tables,
      syncs: { bc: chain.bc },
    });
    await network.add('ab', chain.ab, { onetimecopy: 1, copyGeneration: 1 });
    await network.expectEqual();
    expect(await network.rows('C', 'items')).toEqual(['(1,"of A")']);
  });

  test('does not carry on what a copy has not changed, and notes nothing of it', async () => {
    await using network = await createNetwork({
      databases: three,
      makedelta: ['B'],
      schema,
      seed: Object.fromEntries(three.map((name) => [name, put(1, 'everywhere')])),
      tables,
      syncs: { bc: chain.bc },
    });
    await network.add('ab', chain.ab, { onetimecopy: 1, copyGeneration: 1 });
    expect(await network.sync('ab').round('B')).toMatchObject({ B: { kind: 'good' } });
    expect(await network.deltas('B', 'items')).toEqual([]);
    expect(await network.sync('bc').round('C')).toEqual({ C: { kind: 'empty' } });
  });

  test('ends where makedelta is off', async () => {
    await using network = await createNetwork({
      databases: three,
      makedelta: [],
      schema,
      tables,
      syncs: chain,
    });
    await network.run('A', put(1, 'of A'));
    await network.settle();
    expect(await network.rows('B', 'items')).toEqual(['(1,"of A")']);
    expect(await network.rows('C', 'items')).toEqual([]);
    expect(await network.deltas('B', 'items')).toEqual([]);
  });
});

describe('a table', () => {
  const two = `${schema}; create table others (id bigint primary key, note text)`;

  for (const [says, makedelta, isCarried] of [
    ['off', ['B'], false],
    ['on', [], true],
  ] as const)
    test(`with makedelta ${says} is heard before its database`, async () => {
      await using network = await createNetwork({
        databases: three,
        makedelta,
        schema: two,
        tables: ['items', 'others'],
        tableMakedelta: { items: isCarried },
        syncs: chain,
      });
      await network.run('A', `${put(1, 'x')}; insert into others values (1, 'x')`);
      await network.settle();
      expect(await network.rows('C', 'items')).toEqual(isCarried ? ['(1,x)'] : []);
      expect(await network.rows('C', 'others')).toEqual(isCarried ? [] : ['(1,x)']);
    });
});

describe('a chain both ways', () => {
  test('carries changes of either end to the other', async () => {
    await using network = await createNetwork({
      databases: three,
      makedelta: ['B'],
      schema,
      tables,
      syncs: chainBothWays,
    });
    await network.run('A', put(1, 'of A'));
    await network.run('C', put(2, 'of C'));
    await network.run('B', put(3, 'of B'));
    await network.expectEqual();
    expect(await network.rows('A', 'items')).toEqual(['(1,"of A")', '(2,"of C")', '(3,"of B")']);
    await network.run('C', 'delete from items where id = 1; update items set id = 20 where id = 2');
    await network.run('A', put(3, 'changed'));
    await network.expectEqual();
    expect(await network.rows('A', 'items')).toEqual(['(20,"of C")', '(3,changed)']);
    await network.run('C', 'truncate items');
    await network.expectEqual();
    expect(await network.rows('A', 'items')).toEqual([]);
  });

  for (const [first, last] of [
    ['A', 'C'],
    ['C', 'A'],
  ] as const)
    test(`decides between its ends by the true times when ${last} was the later one`, async () => {
      await using network = await createNetwork({
        databases: three,
        makedelta: ['B'],
        schema,
        tables,
        syncs: chainBothWays,
      });
      await network.run(first, put(1, `of ${first}`));
      await network.run(last, put(1, `of ${last}`));
      await network.expectEqual();
      expect(await network.rows('B', 'items')).toEqual([`(1,"of ${last}")`]);
    });
});

// Fails where the version of a truncation is taken for that of a row that is there (`isNewer` in reader.ts, `emptied` in contest.ts).
test('a truncation that comes by does not lend its time to a row that has stayed', async () => {
  await using network = await createNetwork({
    databases: three,
    makedelta: ['B'],
    schema,
    tables,
    syncs: chainBothWays,
  });
  await network.run('A', put(2, 'old'));
  await network.settle();
  await network.run('A', 'truncate items');
  await network.run('C', put(1, 'of C'));
  await network.run('B', put(1, 'of B'));
  await network.expectEqual();
  expect(await network.rows('A', 'items')).toEqual(['(1,"of B")']);
});

// Fails where a row that is there is told in the version of a truncation (`unchanged` in reader.ts, `emptied` in contest.ts).
test('a truncation that comes by does not contend for a row that has stayed and that all have read', async () => {
  await using network = await createNetwork({
    databases: three,
    makedelta: ['B'],
    schema,
    tables,
    syncs: { ab: chainBothWays.ab },
  });
  await network.add('bc', chainBothWays.bc, { conflictStrategy: 'bucardo_source' });
  await network.run('A', [put(1, 'old'), put(2, 'old')].join(';'));
  await network.settle();
  await network.run('A', 'truncate items');
  await network.run('B', put(1, 'of B'));
  await network.sync('bc').round();
  await network.run('C', put(1, 'of C'));
  await network.sync('ab').round('B');
  await network.sync('bc').round();
  expect(await network.rows('B', 'items')).toEqual(['(1,"of C")']);
  expect(await network.rows('C', 'items')).toEqual(['(1,"of C")']);
  expect(await network.rows('C', { schema: 'tahr', name: 'conflict' })).toEqual([]);
});

// Fails when a truncation that was brought hides a later deletion (npm run mutate).
test('a truncation that comes by does not lend its time to a later deletion', async () => {
  await using network = await createNetwork({
    databases: ['A', 'C', 'D'],
    makedelta: ['C'],
    schema,
    tables,
    syncs: { gang: bothWays('A', 'C'), tail: bothWays('C', 'D') },
  });
  await network.run('A', put(1, 'first'));
  await network.settle();
  await network.run('D', 'truncate items');
  await network.run('A', put(1, 'after the truncation, before the deletion'));
  await network.run('C', 'delete from items where id = 1');
  await network.sync('tail').round();
  await network.expectEqual();
  expect(await network.rows('A', 'items')).toEqual([]);
});

// Fails when what changes nothing goes no further (npm run mutate).
test('a change that finds its row as it makes it contends further on', async () => {
  await using network = await createNetwork({
    databases: three,
    makedelta: ['B'],
    schema,
    tables,
    syncs: chainBothWays,
  });
  await network.run('C', put(1, 'twice'));
  await network.sync('bc').round();
  await network.run('C', put(1, 'between'));
  await network.run('A', put(1, 'twice'));
  await network.sync('ab').round();
  await network.expectEqual();
  expect(await network.rows('C', 'items')).toEqual(['(1,twice)']);
  expect(await network.rows('C', { schema: 'tahr', name: 'conflict' })).toHaveLength(1);
});

test('a gang carries on what it brings to a member, and a target of two sources what it got of either', async () => {
  await using network = await createNetwork({
    databases: ['A', 'B', 'T', 'U'],
    makedelta: ['T'],
    schema,
    tables,
    syncs: { gang: { A: 'source', B: 'source', T: 'target' }, tu: oneWay('T', 'U') },
  });
  await network.run('A', `${put(1, 'of A')}; ${put(2, 'of A')}`);
  await network.run('B', `${put(2, 'of B')}; ${put(3, 'of B')}`);
  await network.expectEqual();
  expect(await network.rows('U', 'items')).toEqual(['(1,"of A")', '(2,"of B")', '(3,"of B")']);
  await network.run('B', 'truncate items');
  await network.run('A', put(4, 'after'));
  await network.expectEqual();
  expect(await network.rows('U', 'items')).toEqual(['(4,after)']);
});

describe('a ring one way', () => {
  const createRing = (): Promise<Network> =>
    createNetwork({ databases: three, makedelta: three, schema, tables, syncs: ring });

  test('carries a change round once, and comes to rest', async () => {
    await using network = await createRing();
    for (const name of three) await network.run(name, put(three.indexOf(name), `of ${name}`));
    await network.expectEqual();
    await network.run('B', 'delete from items where id = 0; update items set id = 10 where id = 1');
    await network.run('A', put(2, 'changed'));
    await network.expectEqual();
    expect(await network.rows('A', 'items')).toEqual(['(10,"of B")', '(2,changed)']);
    const before = await deltaCounts(network, three);
    for (const name of ['ab', 'bc', 'ca'])
      for (const result of Object.values(await network.sync(name).round(name.slice(1).toUpperCase())))
        expect(result).toEqual({ kind: 'empty' });
    expect(await deltaCounts(network, three)).toEqual(before);
  });

  test('carries a truncation round once', async () => {
    await using network = await createRing();
    await network.run('A', put(1, 'old'));
    await network.settle();
    await network.run('B', 'truncate items');
    await network.expectEqual();
    expect(await network.rows('A', 'items')).toEqual([]);
  });

  test('does not write an older version over a later change of its author', async () => {
    await using network = await createRing();
    await network.run('A', put(1, 'first'));
    await network.sync('ab').round('B');
    await network.sync('bc').round('C');
    await network.run('A', put(1, 'second'));
    expect(await network.sync('ca').round('A')).toEqual({ A: { kind: 'empty' } });
    expect(await network.rows('A', 'items')).toEqual(['(1,second)']);
    await network.expectEqual();
    expect(await network.rows('C', 'items')).toEqual(['(1,second)']);
  });
});

describe('a ring both ways', () => {
  const createRing = (): Promise<Network> =>
    createNetwork({ databases: three, makedelta: three, schema, tables, syncs: ringBothWays });

  test('ends equal and comes to rest after changes and conflicts on all three', async () => {
    await using network = await createRing();
    for (const name of three)
      await network.run(name, `${put(1, `of ${name}`)}; ${put(10 + three.indexOf(name), name)}`);
    await network.expectEqual();
    expect(await network.rows('A', 'items')).toEqual(['(1,"of C")', '(10,A)', '(11,B)', '(12,C)']);
    const before = await deltaCounts(network, three);
    await network.settle();
    expect(await deltaCounts(network, three)).toEqual(before);
  });

  test('carries a truncation round, and comes to rest', async () => {
    await using network = await createRing();
    for (const name of three) await network.run(name, put(three.indexOf(name), name));
    await network.settle();
    await network.run('A', 'truncate items');
    await network.run('B', put(7, 'after'));
    await network.expectEqual();
    expect(await network.rows('C', 'items')).toEqual(['(7,after)']);
  });

  // Fails when a change is news to those by whom it has come (npm run mutate), and when what changes nothing goes no further.
  test.each([
    ['deletion', 'delete from items where id = 1'],
    ['truncation', 'truncate items'],
  ])('carries a %s past a database that never had the row, to where it contends', async (_, gone) => {
    await using network = await createRing();
    await network.run('A', put(1, 'old'));
    await network.sync('ca').round();
    await network.run('A', put(1, 'earlier'));
    await network.run('C', gone);
    await network.sync('bc').round();
    await network.sync('ab').round();
    await network.sync('bc').round();
    await network.expectEqual();
    expect(await network.rows('A', 'items')).toEqual([]);
    expect(await network.rows('B', { schema: 'tahr', name: 'conflict' })).toHaveLength(1);
    const before = await deltaCounts(network, three);
    await network.settle();
    expect(await deltaCounts(network, three)).toEqual(before);
  });

  test('does not write an older version over a later change of its author', async () => {
    await using network = await createRing();
    await network.run('A', put(1, 'first'));
    await network.sync('ab').round();
    await network.sync('bc').round();
    await network.run('A', put(1, 'second'));
    await network.sync('ca').round();
    expect(await network.rows('A', 'items')).toEqual(['(1,second)']);
    await network.expectEqual();
    expect(await network.rows('C', 'items')).toEqual(['(1,second)']);
  });
});

describe('a ring both ways, where a transaction that began first writes last', () => {
  /** The rounds after the late write, in every order; who wrote before it, and the round that brought that to A or not. */
  const orders = [
    ['ab', 'bc', 'ca'],
    ['ab', 'ca', 'bc'],
    ['bc', 'ab', 'ca'],
    ['bc', 'ca', 'ab'],
    ['ca', 'ab', 'bc'],
    ['ca', 'bc', 'ab'],
  ] as const;
  test.each([
    ['A', ['ab', 'bc']],
    ['C', ['ca', 'bc']],
    ['B', ['ab', 'bc']],
  ] as const)('comes to rest, after %s wrote before it', { timeout: 240_000 }, async (author, first) => {
    await using network = await createNetwork({
      databases: three,
      makedelta: three,
      schema,
      tables,
      syncs: ringBothWays,
    });
    const member = network.sync('ab').sync.members.find(({ database }) => database.name === 'A');
    for (const [index, order] of orders.entries()) {
      const id = index + 1;
      await using slow = await connect(member?.database.parameters ?? {}, {
        label: 'A',
        applicationName: 'slow',
      });
      await slow.script(sql`set search_path = public`, sql`begin`, sql`select now()`);
      await network.run(author, put(id, 'began later'));
      for (const name of first) await network.sync(name).round();
      await slow.script(sql.verbatim(put(id, 'wrote later')), sql`commit`);
      for (let lap = 0; lap < 4; lap += 1) for (const name of order) await network.sync(name).round();
      await network.expectEqual();
      // Of changes of different databases one sync does not know what another one knew, and goes by the time.
      if (author !== 'A') continue;
      expect(await network.rows('B', 'items'), order.join(' ')).toContain(`(${id},"wrote later")`);
    }
  });
});

test('a star with 18 leaves carries what is written on one to all others, and nothing comes back', {
  timeout: 400_000,
}, async () => {
  const leaves = Array.from({ length: 18 }, (_, index) => `L${String(index + 1).padStart(2, '0')}`);
  await using network = await createNetwork({
    databases: ['H', ...leaves],
    makedelta: ['H'],
    schema,
    tables,
    syncs: Object.fromEntries(leaves.map((leaf) => [leaf, bothWays('H', leaf)])),
  });
  for (const [id, leaf] of leaves.entries()) await network.run(leaf, put(id, leaf));
  await network.expectEqual();
  expect(await network.rows('H', 'items')).toHaveLength(18);
  const before = await deltaCounts(network, leaves);
  await network.run('L07', put(7, 'once more'));
  const made = (await network.on('L07').query(sql`select xmin::text from items where id = 7`))[0];
  await network.expectEqual();
  expect(await network.rows('L18', 'items')).toContain('(7,"once more")');
  expect(await network.on('L07').query(sql`select xmin::text from items where id = 7`)).toEqual([made]);
  expect(await deltaCounts(network, leaves)).toEqual(before.map((count, id) => count + (id === 6 ? 1 : 0)));
});

describe('random histories of writes, syncs that rest and commits on one side only', () => {
  const star = { ab: bothWays('A', 'B'), ac: bothWays('A', 'C'), ad: bothWays('A', 'D') };
  for (const [name, databases, makedelta, syncs] of [
    ['a chain both ways', three, ['B'], chainBothWays],
    ['a star', ['A', 'B', 'C', 'D'], ['A'], star],
    ['a ring both ways', three, three, ringBothWays],
  ] as const)
    test(`end equal in ${name}`, { timeout: 240_000 }, async () => {
      await using network = await createNetwork({ databases, makedelta, schema, tables, syncs });
      const random = randomFrom(testSeed());
      const all = Object.keys(syncs).map((sync) => network.sync(sync));
      for (let lap = 0; lap < 3; lap += 1) {
        for (let step = 0; step < 60; step += 1) {
          if (random() < 0.55) {
            await writeSomething(network, databases, { random, step });
            continue;
          }
          for (const { sync, round } of someOf(all, random, 0.4)) {
            const members = sync.members.map(({ database }) => database.name);
            await round(...someOf(members, random, 0.8));
          }
        }
        await network.expectEqual();
      }
    });
});
