/** A table with a column for each type, and its way through a gang. */
import type { Gang } from '../support/gang.ts';
import { expectSameBytes, runAsApplication } from './bytes.ts';

/** SQL expressions by the type that they are cast to. */
export type Values = Readonly<Record<string, readonly string[]>>;

/** One column per type, and a key. */
export const tableOf = (name: string, types: Values): string =>
  `create table ${name} (id int primary key, ${Object.keys(types)
    .map((type, index) => `c${index} ${type}`)
    .join(', ')});`;

/** A row for each value of the type with the most, so that the shorter lists end in NULLs. */
export const rowsOf = (types: Values): string[] => {
  const lists = Object.entries(types);
  const count = Math.max(...lists.map(([, values]) => values.length));
  return Array.from(
    { length: count },
    (_, row) =>
      `(${[row, ...lists.map(([type, values]) => (values[row] === undefined ? 'null' : `(${values[row]})::${type}`))].join(', ')})`,
  );
};

/** A column for each type: rows are inserted on either side, then every value is moved to the next row. */
export const moveEverything = async (gang: Gang, table: string, types: Values): Promise<void> => {
  const rows = rowsOf(types);
  const half = Math.ceil(rows.length / 2);
  const other = gang.sync.members[1]?.role === 'source' ? 'B' : 'A';
  await runAsApplication(gang, 'A', `insert into ${table} values ${rows.slice(0, half).join(', ')}`);
  await runAsApplication(gang, other, `insert into ${table} values ${rows.slice(half).join(', ')}`);
  await expectSameBytes(gang, table);
  const columns = Object.keys(types)
    .map((_, index) => `c${index}`)
    .join(', ');
  await runAsApplication(
    gang,
    other,
    `update ${table} t set (${columns}) = (select ${columns} from ${table} o where o.id = (t.id + 1) % ${rows.length})`,
  );
  await expectSameBytes(gang, table);
};
