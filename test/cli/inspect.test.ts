/** `inspect` from the command line: the plan of the next round for people and for programs, without a daemon. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { createInstallation, type Installation, settings } from './tahr.ts';

interface Inspection {
  readonly sync: string;
  readonly isPaused: boolean;
  readonly databases: readonly {
    readonly to: string;
    readonly waitingFor: string | null;
    readonly error: { readonly code: string } | null;
    readonly tables: readonly unknown[];
  }[];
  readonly conflicts: readonly unknown[];
  readonly absent: readonly { readonly database: string; readonly error: { readonly code: string } | null }[];
}

let installation: Installation;
const databases: Record<string, TestDatabase> = {};

const write = async (name: string, statement: ReturnType<typeof sql>): Promise<void> => {
  await using session = await (databases[name] as TestDatabase).session();
  await session.script(statement);
};

const inspectJson = async (): Promise<Inspection> => {
  const [inspection, ...others] = JSON.parse(
    await installation.ok('inspect', 'shop', '--json'),
  ) as Inspection[];
  expect(others).toEqual([]);
  return inspection as Inspection;
};

beforeAll(async () => {
  installation = await createInstallation();
  for (const name of ['A', 'B', 'C', 'D']) {
    const database = await createDatabase(`inspect_${name.toLowerCase()}`);
    databases[name] = database;
    await write(name, sql`create table public.item (id int primary key, name text)`);
    await installation.ok('add', 'db', name, ...settings(database.parameters));
  }
  const members = 'dbs=A:source,B:source,C:source,D:target';
  await installation.ok('add', 'sync', 'shop', 'tables=item', members);
});

afterAll(async () => {
  await installation[Symbol.asyncDispose]();
  for (const database of Object.values(databases)) await database[Symbol.asyncDispose]();
});

test('where nothing has changed there are no rows to be written', async () => {
  expect(await installation.ok('inspect', 'shop')).toBe(
    'Sync shop: what the next round would do\n\nNo rows for:\n  A, B, C, D\n',
  );
});

test('rows are told by database, table and source, and a conflict once with its versions', async () => {
  for (const name of ['C', 'A', 'B']) await write(name, sql`insert into public.item values (7, ${name})`);
  await write('A', sql`insert into public.item select n, 'A' from generate_series(1, 3) n`);
  const version = (name: string): string => String.raw`${name} \d{4}-\d\d-\d\dT[\d:.]{15}Z \(xid \d+\)`;
  const text = await installation.ok('inspect', 'sync', 'shop');
  expect(text.split('\n').map((line) => line.replaceAll(/ {2,}/g, ' '))).toEqual([
    'Sync shop: what the next round would do',
    '',
    ' To | Table | From | Insert | Update | Delete | Equal | Not taken',
    expect.stringMatching(/^[=+]+$/),
    ' A | public.item | B | 0 | 1 | 0 | 0 | 0',
    ' A | public.item | C | 0 | 0 | 0 | 0 | 1',
    ' B | public.item | A | 3 | 0 | 0 | 0 | 1',
    ' B | public.item | C | 0 | 0 | 0 | 0 | 1',
    ' C | public.item | A | 3 | 0 | 0 | 0 | 1',
    ' C | public.item | B | 0 | 1 | 0 | 0 | 0',
    ' D | public.item | A | 3 | 0 | 0 | 0 | 1',
    ' D | public.item | B | 1 | 0 | 0 | 0 | 0',
    ' D | public.item | C | 0 | 0 | 0 | 0 | 1',
    '',
    'Conflicts:',
    ' Table | Key | Winner | Versions | Strategy',
    expect.stringMatching(/^[=+]+$/),
    expect.stringMatching(
      new RegExp(
        `^ public\\.item \\| 7 \\| B \\| ${version('B')}, ${version('A')}, ${version('C')} \\| bucardo_latest$`,
      ),
    ),
    '',
  ]);
});

test('--json has the same', async () => {
  const inspection = await inspectJson();
  expect(inspection).toMatchObject({ sync: 'shop', status: 'active', isPaused: false, absent: [] });
  expect(inspection.databases[0]).toEqual({
    to: 'A',
    startsAnew: false,
    waitingFor: null,
    error: null,
    tables: [
      {
        table: 'public.item',
        copyFrom: null,
        sources: [
          { from: 'B', inserted: 0, updated: 1, deleted: 0, equal: 0, notTaken: 0 },
          { from: 'C', inserted: 0, updated: 0, deleted: 0, equal: 0, notTaken: 1 },
        ],
      },
    ],
  });
  expect(inspection.conflicts).toMatchObject([
    {
      table: 'public.item',
      strategy: 'bucardo_latest',
      totalCount: 1,
      listed: [
        {
          key: '7',
          winner: 'B',
          decidedOn: ['A', 'B', 'C', 'D'],
          versions: [{ origin: 'B' }, { origin: 'A' }, { origin: 'C' }],
        },
      ],
    },
  ]);
});

test('a round that would stop for a person says so', async () => {
  await installation.ok('update', 'sync', 'shop', 'conflict_strategy=bucardo_abort');
  const text = await installation.ok('inspect', 'shop');
  expect(text).toMatch(
    /The round would fail:\n {2}A: 1 row of public\.item changed on several sources, .*\n {4}\S/,
  );
  expect(text).toMatch(/\| undecided \|/);
  await installation.ok('update', 'sync', 'shop', 'conflict_strategy=bucardo_latest');
});

test('a sync at rest is inspected too, and what it waits for is named', async () => {
  await installation.ok('pause', 'shop');
  expect(await installation.ok('inspect', 'shop')).toMatch(
    /^Sync shop: .*\nIt is paused: no round begins before `tahr resume shop`\.\n[^]*Conflicts:/,
  );
  await installation.ok('deactivate', 'shop');
  expect(await installation.ok('inspect', 'shop')).toContain(
    'It is inactive: no round begins before `tahr activate shop`.',
  );
  await installation.ok('activate', 'shop');
  await installation.ok('resume', 'shop');
});

test('a copy that was asked for is told without its rows', async () => {
  await installation.ok('update', 'sync', 'shop', 'onetimecopy=1');
  expect(await installation.ok('inspect', 'shop')).toContain(
    [
      'Copies of whole tables:',
      '  A: takes note that a copy was asked for',
      '  B: from A public.item',
      '  C: from A public.item',
      '  D: from A public.item\n',
    ].join('\n'),
  );
  await installation.ok('update', 'sync', 'shop', 'onetimecopy=0');
});

test('a sync that does not exist is refused', async () => {
  const run = await installation.tahr('inspect', 'shopp');
  expect(run).toMatchObject({ code: 1, stdout: '' });
  expect(run.stderr).toContain('There is no sync named "shopp". Did you mean "shop"?');
});

test('a database that is away is named, and the plan is made without it', async () => {
  await installation.ok('update', 'db', 'C', 'host=127.0.0.1', 'port=1', '--force');
  const text = await installation.ok('inspect', 'shop');
  expect(text).toMatch(/Not taking part:\n {2}C \(database_unreachable\): C cannot be reached: .*\n {4}\S/);
  expect(text).not.toMatch(/^ C /m);
  const inspection = await inspectJson();
  expect(inspection.databases.map(({ to }) => to)).toEqual(['A', 'B', 'D']);
  expect(inspection.absent).toMatchObject([{ database: 'C', error: { code: 'database_unreachable' } }]);
});

test('with one source left, the sources wait, and a target goes on', async () => {
  await installation.ok('update', 'db', 'B', 'host=127.0.0.1', 'port=1', '--force');
  const text = await installation.ok('inspect', 'shop');
  expect(text).toContain('Waiting:\n  A: for database B\n');
  expect(text).toMatch(/^ D /m);
});
