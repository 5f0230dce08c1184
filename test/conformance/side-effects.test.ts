/** What a replicated row sets off on the database that it arrives at, and which constraints hold there. */
import { describe, expect, it } from 'vitest';
import { isReplicationError } from '../../src/model/errors.ts';
import { sql } from '../../src/pg/sql.ts';
import { createGang } from '../support/gang.ts';

const oneWay = { A: 'source', B: 'target' } as const;
const twoWay = { A: 'source', B: 'source' } as const;
const ways = [
  ['a target', oneWay],
  ['a source', twoWay],
] as const;

describe.each(ways)('on %s', (_, roles) => {
  it('ordinary triggers and rules stay silent, ENABLE REPLICA and ENABLE ALWAYS ones fire', async () => {
    const trigger = (name: string): string =>
      `create trigger fires_${name} after insert or update or delete on t for each row execute function note('${name}');`;
    await using gang = await createGang({
      roles,
      schema: `create table t (id int primary key, note text); create table heard (what text)`,
      seed: {
        B: `create function note() returns trigger language plpgsql as $$ begin
              insert into public.heard values (tg_argv[0] || ' ' || tg_op); return null; end $$;
            ${trigger('origin')} ${trigger('replica')} ${trigger('always')} ${trigger('disabled')}
            alter table t enable replica trigger fires_replica, enable always trigger fires_always, disable trigger fires_disabled;
            create rule swallow as on insert to t do instead nothing;
            create rule divert as on update to t do instead insert into heard values ('rule');
            create rule listen as on delete to t do also insert into heard values ('replica rule');
            alter table t enable replica rule listen`,
      },
      tables: ['t'],
    });
    await gang.run('A', `insert into t values (1, 'x'), (2, 'y')`);
    await gang.settle();
    await gang.run('A', `update t set note = 'z' where id = 1`);
    await gang.settle();
    await gang.run('A', `delete from t where id = 2`);
    await gang.expectEqual();
    expect(await gang.rows('B', 't')).toEqual(['(1,z)']);
    expect([...new Set(await gang.rows('B', 'heard'))]).toEqual([
      '("always DELETE")',
      '("always INSERT")',
      '("always UPDATE")',
      '("replica DELETE")',
      '("replica INSERT")',
      '("replica UPDATE")',
      '("replica rule")',
    ]);
  });

  it('foreign keys delete and refuse nothing by themselves, also where they go in a circle', async () => {
    await using gang = await createGang({
      roles,
      schema: `
        create table parent (id int primary key, favourite int);
        create table child (id int primary key, parent int references parent on delete cascade on update cascade);
        alter table parent add foreign key (favourite) references child deferrable initially deferred`,
      tables: ['child', 'parent'],
    });
    await gang.run(
      'A',
      `begin; insert into parent values (1, 10), (2, 20); insert into child values (10, 1), (11, 1), (20, 2); commit`,
    );
    await gang.expectEqual();
    await gang.run('A', `update parent set id = 3 where id = 2`);
    await gang.expectEqual();
    expect(await gang.rows('B', 'child')).toContain('(20,3)');
    await gang.run(
      'A',
      `set session_replication_role = replica; delete from parent where id = 1; set session_replication_role = origin`,
    );
    await gang.expectEqual();
    expect(await gang.rows('B', 'child')).toEqual(['(10,1)', '(11,1)', '(20,3)']);
    await gang.run(
      'A',
      `begin; update parent set favourite = null; delete from parent; commit; delete from child`,
    );
    await gang.expectEqual();
    expect(await gang.rows('B', 'child')).toEqual([]);
  });

  it.each([
    ['a deferrable unique constraint', 'alter table t add unique (value) deferrable initially deferred'],
    [
      'a deferrable unique constraint over a domain of an enum',
      `create type word as enum ('taken', 'free', 'else');
       create domain strict_word as word;
       alter table t alter value type strict_word using value::strict_word, add unique (value) deferrable`,
    ],
    ['an ordinary unique constraint', 'alter table t add unique (value)'],
    ['a deferrable exclusion constraint', 'alter table t add exclude (value with =) deferrable'],
    [
      'a deferrable exclusion constraint over some rows, with an expression',
      'alter table t add exclude (lower(value) with =) where (id > 0) deferrable',
    ],
    ['a unique index with an expression', 'create unique index on t (lower(value))'],
  ])('a row that collides on %s is found, and not stored', async (_constraint, constraint) => {
    await using gang = await createGang({
      roles,
      schema: `create table t (id int primary key, value text); ${constraint}`,
      seed: { B: `insert into t values (100, 'taken')` },
      tables: ['t'],
    });
    await gang.run('A', `insert into t values (1, 'taken'), (2, 'free')`);
    const { B } = await gang.round('B');
    expect(
      B?.kind === 'bad' && isReplicationError(B.error, 'unique_conflict') && B.error.facts['table'],
    ).toBe('t');
    expect(await gang.rows('B', 't')).toEqual(['(100,taken)']);
    await gang.run('A', `update t set value = 'else' where id = 1`);
    await gang.settle();
    expect(await gang.rows('B', 't')).toHaveLength(3);
  });

  it.each([
    ['a table', '', 'alter table t add constraint apart exclude (value with =) deferrable'],
    [
      'a partition',
      'partition by range (id); create table "T1" partition of t for values from (0) to (1000)',
      'alter table "T1" add constraint apart unique (value) deferrable',
    ],
  ])('a deferrable constraint that is added to %s later is found', async (_what, partitions, statement) => {
    await using gang = await createGang({
      roles,
      schema: `create table t (id int primary key, value text) ${partitions}`,
      seed: { B: `insert into t values (100, 'taken')` },
      tables: ['t'],
      keepsCatalogs: true,
    });
    await gang.run('A', `insert into t values (1, 'first')`);
    await gang.settle();
    await gang.run('B', statement);
    await gang.run('A', `insert into t values (2, 'taken')`);
    await gang.round('B');
    const { B } = await gang.round('B');
    expect(
      B?.kind === 'bad' && isReplicationError(B.error, 'unique_conflict') && B.error.facts['table'],
    ).toBe('t');
    expect(await gang.rows('B', 't')).not.toContain('(2,taken)');
  });

  it('a row that a check or NOT NULL refuses stops the round by name, and the sync goes on when it fits', async () => {
    await using gang = await createGang({
      roles,
      schema: '',
      seed: {
        A: 'create table t (id int primary key, value int)',
        B: 'create table t (id int primary key, value int check (value < 10))',
      },
      tables: ['t'],
    });
    await gang.run('A', `insert into t values (1, 1), (2, 11)`);
    const { B } = await gang.round('B');
    expect(B?.kind === 'bad' && isReplicationError(B.error, 'row_refused')).toBe(true);
    await gang.run('A', `update t set value = 9 where id = 2`);
    await gang.expectEqual();
    expect(await gang.rows('B', 't')).toEqual(['(1,1)', '(2,9)']);
  });
});

describe.each(ways)('a trigger that fires for rows of ours on %s', (_, roles) => {
  const trigger = (event: string, mode: string, body: string): string => `
    create function interfere() returns trigger language plpgsql as $$ begin ${body} end $$;
    create trigger interferes before ${event} on t for each row execute function interfere();
    alter table t enable ${mode} trigger interferes`;
  const schema = 'create table t (id int primary key, note text, extra text)';

  it.each([
    ['insert', 'always', `insert into t values (1, 'x'), (2, 'y')`],
    ['insert', 'replica', `insert into t values (1, 'x'), (2, 'y')`],
    ['update', 'always', `update t set note = 'changed' where id = 10`],
    ['delete', 'always', 'delete from t where id = 10'],
  ])('fails the round by name when it suppresses an %s (%s)', async (event, mode, statement) => {
    await using gang = await createGang({ roles, schema, tables: ['t'] });
    await gang.run('A', `insert into t values (10, 'old')`);
    await gang.settle();
    await gang.run('B', trigger(event, mode, 'return null;'));
    await gang.run('A', statement);
    for (let round = 1; round <= 2; round += 1) {
      const { B } = await gang.round(...(roles === oneWay ? ['B'] : []));
      expect(B).toMatchObject({ kind: 'bad', error: { code: 'row_refused_by_trigger', retry: 'manual' } });
      expect(B?.kind === 'bad' && String(B.error)).toMatch(/public\.t .*ALWAYS or REPLICA/);
    }
    await gang.run('B', 'drop trigger interferes on t');
    await gang.expectEqual();
  });

  it('is the wish of the user when it changes other columns', async () => {
    await using gang = await createGang({
      roles,
      schema,
      seed: { B: trigger('insert or update', 'always', `new.extra := 'B'; return new;`) },
      tables: ['t'],
    });
    await gang.run('A', `insert into t values (1, 'x'), (2, 'y')`);
    await gang.settle();
    await gang.run('A', `update t set note = 'z' where id = 1; delete from t where id = 2`);
    await gang.settle();
    expect(await gang.rows('B', 't')).toEqual(['(1,z,B)']);
  });

  it('fails a copy whose rows it suppresses', async () => {
    await using gang = await createGang({
      roles,
      schema,
      seed: {
        A: `insert into t values (1, 'x'), (2, 'y')`,
        B: trigger('insert', 'always', 'if new.id = 2 then return null; end if; return new;'),
      },
      tables: ['t'],
      options: { onetimecopy: 1, copyGeneration: 1 },
    });
    const { B } = await gang.round('B');
    expect(B).toMatchObject({ kind: 'bad', error: { code: 'row_refused_by_trigger' } });
    expect(await gang.rows('B', 't')).toEqual([]);
  });
});

it('an application that inserts a row while a round deletes it is given way to, with a trigger that fires for ours', async () => {
  await using gang = await createGang({
    roles: twoWay,
    schema: 'create table t (id int primary key, note text)',
    tables: ['t'],
  });
  await gang.run('A', `insert into t values (1, 'x')`);
  await gang.settle();
  await gang.run(
    'B',
    `create function linger() returns trigger language plpgsql as $$ begin perform pg_sleep(1); return old; end $$;
     create trigger lingers before delete on t for each row execute function linger();
     alter table t enable always trigger lingers`,
  );
  await gang.run('A', `insert into t values (2, 'gone'); delete from t`);
  const round = gang.round();
  await expect
    .poll(() =>
      gang
        .on('B')
        .query(
          sql`select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()`,
        ),
    )
    .toHaveLength(1);
  await gang.run('B', `insert into t values (2, 'of B')`);
  expect((await round)['B']).toMatchObject({ kind: 'bad', error: { code: 'given_way' } });
  await gang.expectEqual();
  expect(await gang.rows('A', 't')).toEqual(['(2,"of B")']);
});

describe.each(ways)('deferrable primary keys on %s', (_, roles) => {
  it('are followed, and hold', async () => {
    await using gang = await createGang({
      roles,
      schema: 'create table t (id int primary key deferrable initially deferred, note text)',
      tables: ['t'],
    });
    await gang.run('A', `insert into t select n, 'n' || n from generate_series(1, 100) n`);
    await gang.expectEqual();
    await gang.run('A', `update t set id = id + 1`);
    await gang.expectEqual();
    expect(await gang.rows('B', 't')).toContain('(101,n100)');
  });
});

it('gives way to an application that is inserting the same key under a deferrable primary key', async () => {
  await using gang = await createGang({
    roles: twoWay,
    schema: 'create table t (id int primary key deferrable, note text)',
    tables: ['t'],
  });
  await gang.run('A', `insert into t values (1, 'A')`);
  await gang.run('B', `begin; insert into t values (1, 'B')`);
  const { B } = await gang.round('B');
  expect(B?.kind === 'bad' && isReplicationError(B.error, 'given_way')).toBe(true);
  await gang.run('B', 'commit');
  await gang.expectEqual();
  expect(await gang.rows('A', 't')).toEqual(['(1,B)']);
  expect(await gang.conflicts('B')).toHaveLength(1);
});
