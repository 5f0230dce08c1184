import { describe, expect, it } from 'vitest';
import type { Member, Role } from '../../src/model/topology.ts';
import { sql } from '../../src/pg/sql.ts';
import { majors, startServer } from '../../tools/embedded-postgres.ts';
import { createGang, type Gang } from '../support/gang.ts';
import { draw, increment, last } from '../support/sequences.ts';

const roles = { A: 'source', B: 'source' } as const;
const items = 'create table items (id bigint primary key, note text)';

/** Who waits to alter a sequence there. */
const waitersOn = async (gang: Gang, name: string): Promise<number> => {
  const waiters = await gang.on(name).query(sql`
    select from pg_locks
     where not granted and mode = 'ShareRowExclusiveLock' and relation = 'public.s'::regclass
       and database = (select oid from pg_database where datname = current_database())`);
  return waiters.length;
};

const withRoles = (members: readonly Member[], given: Readonly<Record<string, Role>>): readonly Member[] =>
  Object.entries(given).map(([name, role]) => {
    const member = members.find(({ database }) => database.name === name);
    if (member === undefined) throw new Error(`no database ${name}`);
    return { ...member, role };
  });

describe('interleaved', () => {
  const interleaved = { sequence: 'interleave' } as const;
  const gangOf = (sequences: string) =>
    createGang({
      roles: { ...roles, C: 'target' },
      schema: `${items}; ${sequences}`,
      tables: ['items'],
      sequences: ['s'],
      options: interleaved,
    });

  it.each([
    'create sequence s',
    'create sequence s cache 7',
    'create sequence s increment -5 start -5 maxvalue -5',
  ])('two sources that draw a thousand values at once without Tahr never draw the same: %s', async (ddl) => {
    await using gang = await gangOf(ddl);
    const drawn = await Promise.all(['A', 'B'].map((name) => draw(gang, name, { count: 1000 })));
    expect(new Set(drawn.flat()).size).toBe(2000);
    await gang.settle();
    const again = await Promise.all(['A', 'B'].map((name) => draw(gang, name, { count: 1000 })));
    expect(new Set([...drawn, ...again].flat()).size).toBe(4000);
  });

  it('the target gets the furthest value, and the sources keep theirs', async () => {
    await using gang = await gangOf('create sequence s');
    expect(await draw(gang, 'A', { count: 3 })).toEqual([1n, 3n, 5n]);
    expect(await draw(gang, 'B', { count: 5 })).toEqual([2n, 4n, 6n, 8n, 10n]);
    expect(await gang.round('A', 'B')).toEqual({ A: { kind: 'empty' }, B: { kind: 'empty' } });
    await gang.settle();
    expect(await last(gang, 'A')).toBe('5');
    expect(await last(gang, 'B')).toBe('10');
    expect(await last(gang, 'C')).toBe('10');
    expect(await increment(gang, 'C')).toBe('1');
  });

  it('begins beyond everything that was drawn on any source, and being installed again changes nothing', async () => {
    await using gang = await createGang({
      roles,
      schema: `${items}; create sequence s`,
      seed: {
        A: `select nextval('s') from generate_series(1, 20)`,
        B: `select nextval('s') from generate_series(1, 7)`,
      },
      tables: ['items'],
      sequences: ['s'],
      options: interleaved,
    });
    expect(await draw(gang, 'A', { count: 3 })).toEqual([21n, 23n, 25n]);
    expect(await draw(gang, 'B')).toEqual([22n]);
    await gang.update({});
    expect(await draw(gang, 'A')).toEqual([27n]);
    expect(await draw(gang, 'B')).toEqual([24n]);
  });

  it('goes back to counting as before, beyond all, and then the furthest value goes everywhere again', async () => {
    await using gang = await gangOf('create sequence s increment 10');
    await draw(gang, 'A', { count: 2 });
    const [end] = (await draw(gang, 'B', { count: 9 })).slice(-1);
    await gang.update({ sequence: 'highest' });
    for (const name of ['A', 'B', 'C']) expect(await increment(gang, name)).toBe('10');
    const [first = 0n] = await draw(gang, 'A');
    expect(first).toBe((end ?? 0n) + 10n);
    await draw(gang, 'A', { count: 5 });
    await gang.settle();
    expect(await last(gang, 'B')).toBe(await last(gang, 'A'));
    expect(await gang.on('A').query(sql`select relation from tahr.interleaved`)).toEqual([]);
  });

  it('goes back also where no value is left', async () => {
    await using gang = await gangOf('create sequence s maxvalue 4');
    for (const name of ['A', 'B']) await draw(gang, name, { count: 2 });
    await gang.update({ sequence: 'highest' });
    await gang.settle();
    for (const name of ['A', 'B', 'C']) {
      expect(await increment(gang, name), name).toBe('1');
      expect(await last(gang, name), name).toBe('4');
    }
  });

  it('shares out anew when a source comes or the order changes, beyond all', async () => {
    await using gang = await createGang({
      roles: { A: 'source', B: 'target' },
      schema: `${items}; create sequence s`,
      tables: ['items'],
      sequences: ['s'],
      options: interleaved,
    });
    const { members } = gang.sync;
    expect(await increment(gang, 'A')).toBe('1');
    const alone = await draw(gang, 'A', { count: 5 });
    expect(alone).toEqual([1n, 2n, 3n, 4n, 5n]);
    await gang.update({ members: withRoles(members, { A: 'source', B: 'source' }) });
    const drawn = [...(await draw(gang, 'A', { count: 3 })), ...(await draw(gang, 'B', { count: 5 }))];
    expect(drawn).toEqual([7n, 9n, 11n, 6n, 8n, 10n, 12n, 14n]);
    await gang.update({ members: withRoles(members, { B: 'source', A: 'source' }) });
    expect(await draw(gang, 'B')).toEqual([15n]);
    expect(await draw(gang, 'A')).toEqual([16n]);
    await gang.update({ members: withRoles(members, { A: 'source', B: 'target' }) });
    expect(await increment(gang, 'A')).toBe('1');
    expect(await increment(gang, 'B')).toBe('1');
    expect(await draw(gang, 'A')).toEqual([17n]);
  });

  it('three sources never draw the same, nor what two of them drew until the third one came', async () => {
    await using gang = await createGang({
      roles: { ...roles, C: 'source' },
      schema: `${items}; create sequence s`,
      tables: ['items'],
      sequences: ['s'],
    });
    const { members } = gang.sync;
    const drawn: bigint[] = [];
    const over = new AbortController();
    const drawing = ['A', 'B'].map(async (name) => {
      while (!over.signal.aborted) drawn.push(...(await draw(gang, name)));
    });
    await gang.update({ ...interleaved, members: withRoles(members, { A: 'source', B: 'source' }) });
    drawn.length = 0;
    await gang.update({ members: withRoles(members, { A: 'source', B: 'source', C: 'source' }) });
    over.abort();
    await Promise.all(drawing);
    const together = await Promise.all(['A', 'B', 'C'].map((name) => draw(gang, name, { count: 500 })));
    drawn.push(...together.flat());
    expect(drawn.length).toBeGreaterThan(1500);
    expect(new Set(drawn).size).toBe(drawn.length);
  });

  it('puts back a sequence that leaves the relgroup', async () => {
    await using gang = await gangOf('create sequence s');
    await draw(gang, 'B', { count: 4 });
    await gang.update({ relations: gang.sync.relations.filter(({ kind }) => kind === 'table') });
    for (const name of ['A', 'B']) expect(await draw(gang, name), name).toEqual([9n]);
    expect(await increment(gang, 'A')).toBe('1');
  });

  it('repairs a sequence that was set by hand when it is installed again', async () => {
    await using gang = await gangOf('create sequence s');
    await gang.run('A', `select setval('s', 100)`);
    await gang.update({});
    expect(await draw(gang, 'A')).toEqual([101n]);
    expect(await draw(gang, 'B')).toEqual([102n]);
  });

  it('takes the sequence of an identity column', async () => {
    await using gang = await createGang({
      roles,
      schema: 'create table tickets (id bigint generated by default as identity primary key, note text)',
      tables: ['tickets'],
      sequences: ['tickets_id_seq'],
      options: interleaved,
    });
    for (const name of ['A', 'B'])
      await gang.run(name, `insert into tickets (note) select '${name}' from generate_series(1, 50)`);
    await gang.expectEqual();
    expect(await gang.rows('A', 'tickets')).toHaveLength(100);
    expect(await gang.conflicts('A')).toEqual([]);
  });

  it('a round that does not know yet that a sequence was interleaved leaves it alone', async () => {
    await using gang = await createGang({
      roles,
      schema: `${items}; create sequence s`,
      tables: ['items'],
      sequences: ['s'],
    });
    const before = gang.sync;
    await gang.update(interleaved);
    await draw(gang, 'A', { count: 10 });
    gang.pretend(before);
    await gang.settle();
    expect(await draw(gang, 'B')).toEqual([2n]);
  });

  it('waits for a transaction that has drawn, and does not lose what it drew', async () => {
    await using gang = await createGang({
      roles,
      schema: `${items}; create sequence s`,
      tables: ['items'],
      sequences: ['s'],
    });
    await gang.run('B', 'begin');
    await draw(gang, 'B', { count: 30 });
    const update = gang.update(interleaved);
    await expect.poll(() => waitersOn(gang, 'B')).toBe(1);
    await draw(gang, 'B', { count: 10 });
    await gang.run('B', 'commit');
    await update;
    expect(await draw(gang, 'A')).toEqual([41n]);
    expect(await draw(gang, 'B')).toEqual([42n]);
  });

  it.each([
    [
      'create sequence s maxvalue 100 cycle',
      'public.s on A cycles: after the wrap the sources would draw the same values.',
    ],
    [
      'create sequence s maxvalue 2 start 2',
      'public.s on A cannot be interleaved: its next value would be 3, and it goes from 1 to 2.',
    ],
  ])('refuses a sequence that cannot be shared out: %s', async (ddl, message) => {
    const error: unknown = await gangOf(ddl).then(
      () => null,
      (failure: unknown) => failure,
    );
    expect(error).toMatchObject({ code: 'interleave_impossible' });
    expect(String(error)).toContain(message);
  });

  it('puts back what was shared out already when another sequence cannot be', async () => {
    await using gang = await createGang({
      roles,
      schema: `${items}; create sequence s; create sequence t maxvalue 2 start 2`,
      tables: ['items'],
      sequences: ['s', 't'],
    });
    await expect(gang.update(interleaved)).rejects.toMatchObject({ code: 'interleave_impossible' });
    for (const name of ['A', 'B']) {
      expect(await increment(gang, name), name).toBe('1');
      expect(await gang.on(name).query(sql`select from tahr.interleaved`), name).toEqual([]);
    }
  });

  it.each(majors.filter((major) => major !== 18))('works on PostgreSQL %i', async (major) => {
    await using server = await startServer({ major, settings: { fsync: 'off' } });
    await using gang = await createGang({
      roles,
      schema: `${items}; create sequence s`,
      tables: ['items'],
      sequences: ['s'],
      server,
    });
    await draw(gang, 'A', { count: 9 });
    await gang.settle();
    expect(await last(gang, 'B')).toBe('9');
    await gang.update(interleaved);
    expect([...(await draw(gang, 'A', { count: 2 })), ...(await draw(gang, 'B', { count: 2 }))]).toEqual([
      11n,
      13n,
      10n,
      12n,
    ]);
    await gang.update({ sequence: 'highest' });
    expect(await draw(gang, 'A')).toEqual([14n]);
  });
});
