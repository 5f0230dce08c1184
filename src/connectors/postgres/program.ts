/**
 * The `.sql` files beside this module. A file names its holes `:hole`; each must be given. Lines that are comments
 * are left out, so that they do not travel into function bodies.
 */
import { readFileSync } from 'node:fs';
import { Sql, sql } from '../../pg/sql.ts';

export const program = (file: string, holes: Readonly<Record<string, Sql>>): Sql => {
  const text = readFileSync(new URL(`sql/${file}`, import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('--'))
    .join('\n');
  // A colon after a colon is a cast; the odd chunks are the names of the holes.
  const chunks = text.split(/(?<!:):([a-z_]+[0-9]?)\b/);
  return sql.join(
    chunks.map((chunk, index) => {
      if (index % 2 === 0) return sql.verbatim(chunk);
      const hole = holes[chunk];
      if (hole === undefined) throw new Error(`${file} has a hole :${chunk} that was not filled`);
      return hole;
    }),
    '',
  );
};
