/** Loads a plain pg_dump file: statements as they are, COPY blocks through the protocol. */
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Session } from '../../src/pg/session.ts';
import { sql } from '../../src/pg/sql.ts';

export const loadDump = async (session: Session, path: string): Promise<void> => {
  const lines = (await readFile(path, 'utf8')).split('\n');
  let statements: string[] = [];
  const flush = async (): Promise<void> => {
    if (statements.some((line) => line.trim() !== ''))
      await session.script(sql.verbatim(statements.join('\n')));
    statements = [];
  };
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? '';
    if (!/^COPY .* FROM stdin;$/.test(line)) {
      statements.push(line);
      continue;
    }
    await flush();
    const end = lines.indexOf('\\.', index);
    const rows = lines.slice(index + 1, end).map((row) => `${row}\n`);
    await pipeline(Readable.from(rows), session.copyIn(sql.verbatim(line.slice(0, -1))));
    index = end;
  }
  await flush();
};
