/** The `set` list of an update whose columns depend on what the operator named. */
import { type Sql, sql } from '../pg/sql.ts';

/** `a = …, b = …` of the columns that have a value; null: there is nothing to set. */
export const assignments = (values: Readonly<Record<string, Sql | null>>): Sql | null => {
  const named = Object.entries(values).flatMap(([column, value]) =>
    value === null ? [] : [sql`${sql.id(column)} = ${value}`],
  );
  return named.length === 0 ? null : sql.join(named);
};
