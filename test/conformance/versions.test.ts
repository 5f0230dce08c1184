/** Every major version of PostgreSQL with itself, and the oldest with the newest in either place. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { majors, type Server, startServer } from '../../tools/embedded-postgres.ts';
import { createGang } from '../support/gang.ts';
import { moveEverything, tableOf, type Values } from './type-table.ts';
import {
  builtInTypes,
  builtInTypesSince14,
  builtInTypesSince17,
  userTypeSchema,
  userTypes,
  userTypesSince14,
} from './values.ts';

// Many statements on several databases: they take long where other tests run beside them.
vi.setConfig({ testTimeout: 180_000 });

type Major = (typeof majors)[number];

const servers = new Map<Major, Server>();

beforeAll(async () => {
  await Promise.all(
    majors.map(async (major) => servers.set(major, await startServer({ major, settings: { fsync: 'off' } }))),
  );
});

afterAll(async () => {
  await Promise.all([...servers.values()].map((server) => server[Symbol.asyncDispose]()));
});

const serverOf = (major: Major): Server => servers.get(major) as Server;

/** What the oldest of them knows. */
const valuesFor = (oldest: Major): { readonly builtIn: Values; readonly userMade: Values } => ({
  builtIn: {
    ...builtInTypes,
    ...(oldest >= 14 ? builtInTypesSince14 : {}),
    ...(oldest >= 17 ? builtInTypesSince17 : {}),
  },
  userMade: { ...userTypes, ...(oldest >= 14 ? userTypesSince14 : {}) },
});

it.each([...majors.map((major) => [major, major] as const), [13, 18] as const, [18, 13] as const])(
  'PostgreSQL %i and PostgreSQL %i replicate both ways: types, conflicts, truncation',
  async (a, b) => {
    const { builtIn, userMade } = valuesFor(a < b ? a : b);
    await using gang = await createGang({
      roles: { A: 'source', B: 'source' },
      servers: { A: serverOf(a), B: serverOf(b) },
      schema: `${userTypeSchema}; ${tableOf('built_in', builtIn)} ${tableOf('user_made', userMade)}
        create table t (id int primary key, note text)`,
      tables: ['built_in', 'user_made', 't'],
    });
    await gang.run('A', `insert into t select n from generate_series(1, 5) n`);
    await moveEverything(gang, 'built_in', builtIn);
    await moveEverything(gang, 'user_made', userMade);
    await gang.run('B', `update t set note = 'B' where id < 3; truncate built_in`);
    await gang.run(
      'A',
      `update t set note = 'A' where id = 2; delete from t where id = 1; truncate user_made`,
    );
    await gang.settle();
    for (const name of ['A', 'B']) {
      expect(await gang.rows(name, 't')).toEqual(['(2,A)', '(3,)', '(4,)', '(5,)']);
      expect(await gang.rows(name, 'built_in')).toEqual([]);
      expect(await gang.rows(name, 'user_made')).toEqual([]);
      expect(await gang.conflicts(name)).toHaveLength(2);
    }
  },
);

it.each([
  [13, 18, 15],
  [18, 13, 14],
] as const)(
  'a target takes from PostgreSQL %i and %i what it knows, and refuses by name what it does not',
  async (a, b, c) => {
    await using gang = await createGang({
      roles: { A: 'source', B: 'source', C: 'target' },
      servers: { A: serverOf(a), B: serverOf(b), C: serverOf(c) },
      schema: 'create table t (id int primary key, amount numeric, span interval)',
      tables: ['t'],
    });
    const [older, newer] = a < b ? ['A', 'B'] : ['B', 'A'];
    await gang.run(older ?? '', `insert into t values (1, 'NaN', '1 mon')`);
    await gang.run(newer ?? '', `insert into t values (2, 1.50, '-1 mon')`);
    await gang.expectEqual();
    await gang.run(older ?? '', `update t set amount = 1.50 where id = 1`);
    await gang.run(newer ?? '', `insert into t values (3, 1, 'infinity')`);
    for (const [name, outcome] of Object.entries({ ...(await gang.round()), ...(await gang.round('C')) }))
      if (name !== newer)
        expect(outcome, name).toMatchObject({ kind: 'bad', error: { code: 'row_refused' } });
    await gang.run(newer ?? '', `update t set amount = 0, span = '0' where id = 3`);
    await gang.expectEqual();
  },
);
