/** The table `captured`: what is captured on a database, and how. */
import type { RelationId, RelationName } from '../../model/topology.ts';
import type { Row, Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import type { CaptureFires, CaptureLevel } from './capture-program.ts';

export interface CapturedTable {
  readonly relation: RelationName;
  readonly oid: string;
  readonly shape: number;
  readonly keyColumns: readonly string[];
  readonly level: CaptureLevel;
  readonly fires: CaptureFires;
  readonly definition: string;
  /** A position that does not see this transaction was taken before capture began. */
  readonly since: string;
}

/** What is captured on this database, by relation. */
export const readCaptured = async (
  session: Session,
  schema: string,
): Promise<Map<RelationId, CapturedTable>> => {
  const rows = await session.query(sql`
    select tbl, relation, schema_name, relation_name, shape, array_to_json(key_columns) as key_columns, level, fires,
           definition, since
      from ${sql.id(schema, 'captured')}`);
  return new Map(
    rows.map((row) => [
      Number(row['tbl']) as RelationId,
      {
        relation: { schema: row['schema_name'] as string, name: row['relation_name'] as string },
        oid: row['relation'] as string,
        shape: Number(row['shape']),
        keyColumns: JSON.parse(row['key_columns'] as string) as string[],
        level: row['level'] as CaptureLevel,
        fires: row['fires'] as CaptureFires,
        definition: row['definition'] as string,
        since: row['since'] as string,
      },
    ]),
  );
};

/** The shapes of the deltas of what is captured. */
export const selectShapes = (schema: string): Sql =>
  sql`select tbl, shape from ${sql.id(schema, 'captured')}`;

export const decodeShapes = (rows: readonly Row[]): ReadonlyMap<RelationId, number> =>
  new Map(rows.map((row) => [Number(row['tbl']) as RelationId, Number(row['shape'])]));
