/** Every type arrives with the bytes it left with (invariant 8), whichever way its values travel. */
import { describe, it } from 'vitest';
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
  it('carries every built-in type, enums, domains, composites, ranges and arrays of them byte for byte', async () => {
    await using gang = await createGang({ roles, schema, tables });
    await moveEverything(gang, 'built_in', builtInTypes);
    await moveEverything(gang, 'user_made', userTypes);
  });
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
});
