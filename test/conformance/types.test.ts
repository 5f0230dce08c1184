/** Every type arrives with the bytes it left with (invariant 8), whichever way its values travel. */
import { describe, it } from 'vitest';
import { createGang, type Gang } from '../support/gang.ts';
import { expectSameBytes, runAsApplication } from './bytes.ts';
import {
  builtInTypes as builtInTypesOf13,
  builtInTypesSince14,
  builtInTypesSince17,
  userTypeSchema,
  userTypes as userTypesOf13,
  userTypesSince14,
} from './values.ts';

type Values = Readonly<Record<string, readonly string[]>>;

const builtInTypes: Values = { ...builtInTypesOf13, ...builtInTypesSince14, ...builtInTypesSince17 };
const userTypes: Values = { ...userTypesOf13, ...userTypesSince14 };

const tableOf = (name: string, types: Values): string =>
  `create table ${name} (id int primary key, ${Object.keys(types)
    .map((type, index) => `c${index} ${type}`)
    .join(', ')});`;

/** A row for each value of the type with the most, so that the shorter lists end in NULLs. */
const rowsOf = (types: Values): string[] => {
  const lists = Object.entries(types);
  const count = Math.max(...lists.map(([, values]) => values.length));
  return Array.from(
    { length: count },
    (_, row) =>
      `(${[row, ...lists.map(([type, values]) => (values[row] === undefined ? 'null' : `(${values[row]})::${type}`))].join(', ')})`,
  );
};

/** A column for each type: rows are inserted on either side, then every value is moved to the next row. */
const moveEverything = async (gang: Gang, table: string, types: Values): Promise<void> => {
  const rows = rowsOf(types);
  const half = Math.ceil(rows.length / 2);
  const other = gang.sync.members[1]?.role === 'source' ? 'B' : 'A';
  await runAsApplication(gang, 'A', `insert into ${table} values ${rows.slice(0, half).join(', ')}`);
  await runAsApplication(gang, other, `insert into ${table} values ${rows.slice(half).join(', ')}`);
  await expectSameBytes(gang, table);
  const columns = Object.keys(types).map((_, index) => `c${index}`);
  await runAsApplication(
    gang,
    other,
    `update ${table} t set (${columns}) = (select ${columns} from ${table} o where o.id = (t.id + 1) % ${rows.length})`,
  );
  await expectSameBytes(gang, table);
};

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
