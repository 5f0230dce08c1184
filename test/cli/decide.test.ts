/** `decide`: a conflict that nobody has won, from `conflicts --undecided` to the row that goes everywhere; with the real daemon. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { createInstallation, type Installation, settings } from './tahr.ts';

let installation: Installation;
const databases: Record<string, TestDatabase> = {};

const run = async (
  name: string,
  text: string,
): Promise<readonly Readonly<Record<string, string | null>>[]> => {
  await using session = await (databases[name] as TestDatabase).session();
  const [rows = []] = await session.script(sql.verbatim(text));
  return rows;
};

const notes = async (): Promise<(string | null | undefined)[]> =>
  Promise.all(
    ['A', 'B', 'C'].map(
      async (name) => (await run(name, 'select note from public.item where id = 1'))[0]?.['note'],
    ),
  );

interface Listed {
  readonly id: string;
  readonly winner: string | null;
}
const undecided = async (): Promise<Listed[]> =>
  JSON.parse(await installation.ok('conflicts', 'shop', '--undecided', '--json')) as Listed[];

beforeAll(async () => {
  installation = await createInstallation();
  for (const name of ['A', 'B', 'C', 'D']) {
    const database = await createDatabase(`decide_${name.toLowerCase()}`);
    databases[name] = database;
    await run(name, 'create table public.item (id int primary key, note text)');
    await installation.ok('add', 'db', name, ...settings(database.parameters));
  }
  const members = 'dbs=A:source,B:source,C:target';
  await installation.ok('add', 'sync', 'shop', 'tables=item', members, 'conflict_strategy=skip');
});

afterAll(async () => {
  await installation.tahr('stop');
  await installation[Symbol.asyncDispose]();
  for (const database of Object.values(databases)) await database[Symbol.asyncDispose]();
});

test('the row of the database that a person names goes everywhere, and the conflict is listed no more', async () => {
  for (const name of ['A', 'B']) await run(name, `insert into public.item values (1, 'of ${name}')`);
  await installation.ok('start');
  await installation.ok('kick', 'shop', '30');
  await vi.waitFor(async () => expect(await undecided()).toMatchObject([{ winner: null }]), 20_000);
  expect((await notes()).slice(0, 2)).toEqual(['of A', 'of B']);
  const [conflict] = await undecided();
  const id = conflict?.id ?? '';
  expect(await installation.ok('conflicts', 'shop')).toContain('undecided');

  const refused = async (...words: string[]): Promise<string> => {
    const { code, stderr } = await installation.tahr('decide', ...words);
    expect(code).not.toBe(0);
    return stderr;
  };
  expect(await refused('', 'A')).toContain('is not the beginning of an id');
  expect(await refused('ffffffff', 'A')).toContain('There is no conflict "ffffffff"');
  expect(await refused(id, 'D')).toContain('D is not a source of shop');
  expect(await refused(id)).toContain('Name a conflict and a database');
  await installation.ok('decide', id, 'A', '--dry-run');
  expect(await undecided()).toHaveLength(1);

  expect(await installation.ok('decide', id.slice(0, 10), 'A')).toBe(
    'Decided: public.item 1 goes from A to all databases of shop.\n',
  );
  expect(await undecided()).toEqual([]);
  await installation.ok('kick', 'shop', '30');
  expect(await notes()).toEqual(['of A', 'of A', 'of A']);
  expect(await refused(id, 'B')).toContain('is decided: A has won');
});
