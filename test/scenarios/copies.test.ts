import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { isReplicationError } from '../../src/model/errors.ts';
import { noOverrides } from '../../src/model/topology.ts';
import { connect } from '../../src/pg/conninfo.ts';
import { sql } from '../../src/pg/sql.ts';
import { createGang, type Gang } from '../support/gang.ts';

const schema =
  'create table big (id int primary key, note text); create table small (id int primary key, note text)';
const tables = ['big', 'small'];
const filled = `insert into big select n, 'n' || n from generate_series(1, 20000) n; insert into small select n, 'n' || n from generate_series(1, 10) n`;

const asked = { onetimecopy: 1, copyGeneration: 1 } as const;

/** Nobody but us looks after `big`. */
const caredFor = {
  roles: { A: 'source', B: 'target' } as const,
  schema: `${schema}; alter table big set (autovacuum_enabled = off)`,
  seed: { A: filled },
  tables,
};

/** Inserts, updates, deletes and moves keys of `big`, until told to stop. */
const write = async (gang: Gang, name: string, isOver: () => boolean): Promise<void> => {
  const member = gang.sync.members.find(({ database }) => database.name === name);
  await using session = await connect(member?.database.parameters ?? {}, {
    label: name,
    applicationName: 'writer',
  });
  const pick = (): number => Math.floor(Math.random() * 22_000);
  while (!isOver()) {
    const statements = [
      sql`update public.big set note = ${`${name}${pick()}`} where id = ${pick()}`,
      sql`insert into public.big values (${pick()}, ${name}) on conflict do nothing`,
      sql`delete from public.big where id = ${pick()}`,
      sql`update public.big b set id = ${pick()} where id = ${pick()}`,
    ];
    await session
      .script(statements[Math.floor(Math.random() * 4)] ?? statements[0] ?? sql`select`)
      .catch((error: unknown) => {
        if (!isReplicationError(error, 'unique_conflict')) throw error;
      });
    await wait(1);
  }
};

describe('the initial copy', () => {
  for (const roles of [
    { A: 'source', B: 'target' },
    { A: 'source', B: 'source' },
    { A: 'source', B: 'source', C: 'target' },
  ] as const)
    it(`joins the changes without a gap while applications write: ${JSON.stringify(roles)}`, async () => {
      await using gang = await createGang({
        roles,
        schema,
        seed: { A: filled, B: `insert into big select n, 'stale' from generate_series(19000, 21000) n` },
        tables,
        options: { onetimecopy: 1, copyGeneration: 1 },
      });
      let isOver = false;
      const sources = Object.entries(roles).filter(([, role]) => role === 'source');
      const writers = sources.map(([name]) => write(gang, name, () => isOver));
      await wait(200);
      const isGang = sources.length > 1;
      if (isGang) expect(await gang.round('A')).toMatchObject({ A: { kind: 'good', isCopy: false } });
      for (const name of Object.keys(roles).slice(1)) {
        const outcome = await retried(() => gang.round(name), name);
        expect(outcome).toMatchObject({ kind: 'good', isCopy: true });
      }
      await wait(200);
      isOver = true;
      await Promise.all(writers);
      await gang.expectEqual();
    });

  it('into empty tables only leaves a filled one as it is, and brings it the changes', async () => {
    await using gang = await createGang({
      roles: { A: 'source', B: 'target' },
      schema,
      seed: { A: filled, B: `insert into small values (99, 'own')` },
      tables,
      options: { onetimecopy: 2, copyGeneration: 1 },
    });
    await gang.run('A', `update small set note = 'changed' where id = 1`);
    await gang.settle();
    expect(await gang.rows('B', 'big')).toEqual(await gang.rows('A', 'big'));
    expect(await gang.rows('B', 'small')).toEqual(['(1,changed)', '(99,own)']);
  });

  it('happens once', async () => {
    await using gang = await createGang({
      roles: { A: 'source', B: 'target' },
      schema,
      seed: { A: filled },
      tables,
      options: { onetimecopy: 1, copyGeneration: 1 },
    });
    expect(await gang.round('B')).toMatchObject({ B: { kind: 'good', isCopy: true } });
    expect(await gang.round('B')).toMatchObject({ B: { kind: 'empty' } });
  });

  it.each([
    [
      { analyzeAfterCopy: true, vacuumAfterCopy: false },
      { is_known: 't', is_clean: 'f' },
    ],
    [
      { analyzeAfterCopy: false, vacuumAfterCopy: true },
      { is_known: 'f', is_clean: 't' },
    ],
    [
      { analyzeAfterCopy: false, vacuumAfterCopy: false },
      { is_known: 'f', is_clean: 'f' },
    ],
  ])('looks after the tables as the sync says: %o', async (options, expected) => {
    await using gang = await createGang({ ...caredFor, options: { ...asked, ...options } });
    await gang.round('B');
    const [found] = await gang.on('B').query(sql`
      select exists (select from pg_stats where tablename = 'big') as is_known, relallvisible > 0 as is_clean
        from pg_class where relname = 'big'`);
    expect(found).toEqual(expected);
  });

  it('looks after a table as it is said of the table, whatever the sync says', async () => {
    await using gang = await createGang({ ...caredFor, options: { analyzeAfterCopy: true } });
    const overrides = { ...noOverrides, analyzeAfterCopy: false, vacuumAfterCopy: true };
    const relations = gang.sync.relations.map((relation) => ({ ...relation, overrides }));
    await gang.update({ relations, ...asked });
    await gang.round('B');
    const [found] = await gang.on('B').query(sql`
      select exists (select from pg_stats where tablename = 'big') as is_known, relallvisible > 0 as is_clean
        from pg_class where relname = 'big'`);
    expect(found).toEqual({ is_known: 'f', is_clean: 't' });
  });

  it.each([true, false])('makes the indexes anew where that is wanted: %s', async (rebuildIndex) => {
    await using gang = await createGang({ ...caredFor, options: { ...asked, rebuildIndex } });
    const file = async () =>
      (await gang.on('B').query(sql`select pg_relation_filenode('public.big_pkey') as file`))[0]?.['file'];
    const before = await file();
    await gang.round('B');
    expect((await file()) !== before).toBe(rebuildIndex);
  });

  it('passes over a ghost, of which only the changes are replicated', async () => {
    await using gang = await createGang(caredFor);
    const relations = gang.sync.relations.map((relation) => ({ ...relation, isGhost: true }));
    await gang.update({ relations, ...asked });
    await gang.settle();
    expect(await gang.rows('B', 'big')).toEqual([]);
    await gang.run('A', `update big set note = 'changed' where id = 1`);
    await gang.settle();
    expect(await gang.rows('B', 'big')).toHaveLength(1);
  });
});

/** A round that gave way to an application is simply run again. */
const retried = async (round: () => ReturnType<Gang['round']>, name: string) => {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = (await round())[name];
    if (outcome?.kind !== 'bad' || !isReplicationError(outcome.error, 'given_way') || attempt === 10)
      return outcome;
  }
};
