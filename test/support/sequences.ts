/** Sequences of a gang, as an application sees and draws from them. */
import { sql } from '../../src/pg/sql.ts';
import type { Gang } from './gang.ts';

export const draw = async (
  gang: Gang,
  name: string,
  { count = 1, sequence = 's' } = {},
): Promise<bigint[]> => {
  const rows = await gang
    .on(name)
    .query(
      sql`select nextval(${`public.${sequence}`}::regclass) as v from generate_series(1, ${count}::int)`,
    );
  return rows.map(({ v }) => BigInt(v ?? ''));
};

/** With `next` behind it where it was not drawn yet. */
export const last = async (gang: Gang, name: string, sequence = 's'): Promise<string> => {
  const [row] = await gang
    .on(name)
    .query(
      sql`select last_value || case when is_called then '' else ' next' end as v from ${sql.id('public', sequence)}`,
    );
  return row?.['v'] ?? '';
};

export const increment = async (gang: Gang, name: string, sequence = 's'): Promise<string> => {
  const [row] = await gang
    .on(name)
    .query(sql`select seqincrement from pg_sequence where seqrelid = ${`public.${sequence}`}::regclass`);
  return row?.['seqincrement'] ?? '';
};
