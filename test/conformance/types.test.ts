/** Every type arrives with the bytes it left with (invariant 8), whichever way its values travel. */
import { describe, expect, it } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createDatabase } from '../support/databases.ts';
import { createGang } from '../support/gang.ts';
import { expectSameBytes } from './bytes.ts';
import { moveEverything, rowsOf, tableOf, type Values } from './type-table.ts';
import {
  builtInTypes as builtInTypesOf13,
  builtInTypesSince14,
  builtInTypesSince17,
  userTypeSchema,
  userTypes as userTypesOf13,
  userTypesSince14,
} from './values.ts';

const builtInTypes: Values = { ...builtInTypesOf13, ...builtInTypesSince14, ...builtInTypesSince17 };
const userTypes: Values = { ...userTypesOf13, ...userTypesSince14 };

const schema = `${userTypeSchema}; ${tableOf('built_in', builtInTypes)} ${tableOf('user_made', userTypes)}`;
const tables = ['built_in', 'user_made'];

describe.each([
  ['one way', { A: 'source', B: 'target' }],
  ['both ways', { A: 'source', B: 'source', C: 'target' }],
] as const)('%s', (_, roles) => {
  // Fails when every type travels in binary (npm run mutate).
  it('carries every built-in type, enums, domains, composites, ranges and arrays of them byte for byte', async () => {
    await using gang = await createGang({ roles, schema, tables });
    await moveEverything(gang, 'built_in', builtInTypes);
    await moveEverything(gang, 'user_made', userTypes);
    expect(await gang.rows('B', 'built_in')).toHaveLength(rowsOf(builtInTypes).length);
    expect(await gang.rows('B', 'user_made')).toHaveLength(rowsOf(userTypes).length);
  });
});

it('tries every built-in type of which a column can hold a value', async () => {
  await using database = await createDatabase('types');
  const session = await database.session();
  await session.script(sql`set search_path = public`, sql.verbatim(schema));
  const untried = await session.query(sql`
    select t.typname as type
      from pg_type t
     where t.typnamespace = 'pg_catalog'::regnamespace and t.typtype in ('b', 'r', 'm') and t.typcategory <> 'A'
       and not exists (select from pg_attribute a where a.attrelid = 'public.built_in'::regclass and a.atttypid = t.oid)
     order by 1`);
  // These have no input, and serve catalogues and indexes.
  const withoutInput = [
    'gtsvector',
    'pg_brin_bloom_summary',
    'pg_brin_minmax_multi_summary',
    'pg_dependencies',
  ];
  expect(untried.map(({ type }) => type)).toEqual([
    ...withoutInput,
    'pg_mcv_list',
    'pg_ndistinct',
    'pg_node_tree',
  ]);
});

it('copies every type byte for byte, into an empty table and over a filled one', async () => {
  const fill = (table: string, types: Values): string =>
    `insert into ${table} values ${rowsOf(types).join(', ')};`;
  await using gang = await createGang({
    roles: { A: 'source', B: 'target', C: 'target' },
    schema,
    seed: {
      A: fill('built_in', builtInTypes) + fill('user_made', userTypes),
      C: `insert into built_in select n from generate_series(0, 3) n; insert into user_made select n from generate_series(0, 3) n`,
    },
    tables,
    options: { onetimecopy: 1, copyGeneration: 1 },
  });
  await expectSameBytes(gang, ...tables);
  expect(await gang.rows('C', 'built_in')).toHaveLength(rowsOf(builtInTypes).length);
});
