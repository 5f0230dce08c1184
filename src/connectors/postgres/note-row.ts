/** Notes a row as changed on a database, without changing it: what it is there, or that it is gone, then goes to all others. */
import { ReplicationError } from '../../model/errors.ts';
import type { RelationId } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';
import { readCaptured } from './captured.ts';
import { controlWord, parseControlWord } from './control-word.ts';
import { deltaColumns, nextSeq, segmentTable } from './delta.ts';

interface NotedRow {
  readonly schema: string;
  readonly table: RelationId;
  /** By column, as the server writes them; more columns than those of the key do no harm. */
  readonly row: Readonly<Record<string, string | null>>;
}

/** @throws ReplicationError `schema_differs` when the table is not captured there, or by columns that the row does not have */
export const noteRow = async (session: Session, { schema, table, row }: NotedRow): Promise<void> => {
  const captured = (await readCaptured(session, schema)).get(table);
  const values = captured?.keyColumns.map((column) => row[column] ?? null) ?? [];
  if (captured === undefined || values.includes(null))
    throw new ReplicationError('schema_differs', {
      message: `${session.label}: the changes of the table are not captured under the key that the row had.`,
      hint: 'Change the row itself with SQL: any change made now goes to all databases.',
      facts: { database: session.label },
    });
  const { shape } = captured;
  const [found] = await session.query(sql`
    select ${controlWord(schema)} as word, array_to_json(s.types) as types
      from ${sql.id(schema, 'shape')} s where s.id = ${shape}::integer`);
  const { segment } = parseControlWord(BigInt(found?.['word'] ?? 0));
  const types = JSON.parse(found?.['types'] ?? '[]') as string[];
  const key = values.map((value, index) => sql`${value}::text::${sql.verbatim(types[index] ?? 'text')}`);
  await session.query(sql`
    insert into ${segmentTable(schema, shape, segment)} (tbl, ${sql.join(deltaColumns(key.length))}, seq)
    values (${table}::integer, ${sql.join(key)}, ${nextSeq(schema)})`);
};
