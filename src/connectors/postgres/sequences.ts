/**
 * Sequences: the highest value goes everywhere. A value never goes back, whatever applications draw meanwhile.
 */
import type { RelationName } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';

export interface SequenceValue {
  readonly relation: RelationName;
  readonly lastValue: bigint;
  readonly isCalled: boolean;
  readonly increment: bigint;
  /** How many values a session draws at once. */
  readonly cache: bigint;
}

/** Current values; sequences are outside of every snapshot. */
export const readSequences = async (
  session: Session,
  names: readonly RelationName[],
): Promise<SequenceValue[]> => {
  if (names.length === 0) return [];
  const selects = names.map(
    ({ schema, name }, index) => sql`
    select ${index}::integer as n, s.last_value::text, s.is_called, q.seqincrement::text as increment,
           q.seqcache::text as cache
      from ${sql.id(schema, name)} s, pg_catalog.pg_sequence q
     where q.seqrelid = s.tableoid`,
  );
  const rows = await session.query(sql`${sql.join(selects, ' union all ')} order by n`);
  return rows.map((row) => ({
    relation: names[Number(row['n'])] as RelationName,
    lastValue: BigInt(row['last_value'] ?? ''),
    isCalled: row['is_called'] === 't',
    increment: BigInt(row['increment'] ?? ''),
    cache: BigInt(row['cache'] ?? ''),
  }));
};

/** True when `one` has gone further than `other`, in the direction of its increment. */
export const isFurther = (one: SequenceValue, other: SequenceValue): boolean => {
  if (one.lastValue === other.lastValue) return one.isCalled && !other.isCalled;
  return one.increment > 0n ? one.lastValue > other.lastValue : one.lastValue < other.lastValue;
};

/** Up to here values are drawn one by one, which cannot collide with an application that draws at the same time. */
const stepsMax = 1000n;

/**
 * Brings a sequence forward. `setval` is not atomic with reading the current value, so it is used only for a
 * distance that no application covers in the microseconds between; `nextval` for the rest.
 */
export const advanceSequence = (own: SequenceValue, wanted: SequenceValue): Sql => {
  const name = sql.id(own.relation.schema, own.relation.name);
  const regclass = sql`${sql.literal(name.inlined())}::regclass`;
  const gap = wanted.lastValue - own.lastValue;
  const distance = gap / own.increment;
  const isReachedExactly = own.isCalled && own.cache === 1n && gap % own.increment === 0n;
  if (!isReachedExactly || distance > stepsMax)
    return sql`select pg_catalog.setval(${regclass}, ${wanted.lastValue}::bigint, ${wanted.isCalled}::boolean)`;
  return sql`select count(pg_catalog.nextval(${regclass})) from pg_catalog.generate_series(1, ${distance}::bigint)`;
};
