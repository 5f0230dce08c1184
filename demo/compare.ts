/** Whether the databases are equal, to the row and to the byte. */
import type { Session } from '../src/pg/session.ts';
import { sql } from '../src/pg/sql.ts';
import { connectTo, type Place } from './shop.ts';

const tables = ['product', 'customer', 'Order', 'order_line'] as const;

interface TableDigest {
  readonly rowCount: number;
  readonly digest: string;
}

/** @returns whether all rows of all places are equal */
export const compare = async (places: readonly Place[], say: (text: string) => void): Promise<boolean> => {
  const all = await Promise.all(places.map(digestsOf));
  say('\nComparing A, B and C, row by row:');
  const verdicts = tables.map((table, index) => {
    const digests = all.map((database) => database[index]?.digest);
    const isEqual = new Set(digests).size === 1;
    const rowCount = String(all[0]?.[index]?.rowCount).padStart(7);
    say(`  ${table.padEnd(12)} ${rowCount} rows  ${isEqual ? 'equal' : 'DIFFERENT'}`);
    return isEqual;
  });
  const areEqual = verdicts.every((isEqual) => isEqual);
  say(areEqual ? 'All three databases are equal.' : 'The databases differ.');
  return areEqual;
};

const digestsOf = async (place: Place): Promise<TableDigest[]> => {
  await using session = await connectTo(place);
  const found: TableDigest[] = [];
  for (const table of tables) found.push(await digestOf(session, table));
  return found;
};

const digestOf = async (session: Session, table: string): Promise<TableDigest> => {
  const [row] = await session.query(sql`
    select count(*) as rows, coalesce(md5(string_agg(t::text, E'\n' order by t::text collate "C")), '-') as digest
      from ${sql.id('public', table)} t`);
  return { rowCount: Number(row?.['rows']), digest: row?.['digest'] ?? '' };
};
