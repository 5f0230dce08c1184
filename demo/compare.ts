/** Whether the databases are equal, to the row and to the byte. */
import type { Session } from '../src/pg/session.ts';
import { sql } from '../src/pg/sql.ts';

const tables = ['product', 'customer', 'Order', 'order_line'] as const;

export interface TableDigest {
  readonly table: string;
  readonly rowCount: number;
  readonly digest: string;
}

const digestOf = async (session: Session, table: string): Promise<TableDigest> => {
  const [row] = await session.query(sql`
    select count(*) as rows, coalesce(md5(string_agg(t::text, E'\n' order by t::text collate "C")), '-') as digest
      from ${sql.id('public', table)} t`);
  return { table, rowCount: Number(row?.['rows']), digest: row?.['digest'] ?? '' };
};

export const digests = async (session: Session): Promise<TableDigest[]> => {
  const found: TableDigest[] = [];
  for (const table of tables) found.push(await digestOf(session, table));
  return found;
};

/** The tables in which some database differs from the first. */
export const differences = (all: readonly (readonly TableDigest[])[]): string[] =>
  tables.filter((_, index) => new Set(all.map((database) => database[index]?.digest)).size > 1);
