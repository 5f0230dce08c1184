/**
 * Sequences: the value that went furthest goes everywhere. A value never goes back, whatever applications draw meanwhile.
 */
import type { RelationName } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { drawsBetween, furthest, type SequencePoint } from './sequence-order.ts';

export interface SequenceValue extends SequencePoint {
  readonly relation: RelationName;
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
           q.seqmin::text as minimum, q.seqmax::text as maximum, q.seqcycle as is_cyclic, q.seqcache::text as cache
      from ${sql.id(schema, name)} s, pg_catalog.pg_sequence q
     where q.seqrelid = s.tableoid`,
  );
  const rows = await session.query(sql`${sql.join(selects, ' union all ')} order by n`);
  return rows.map((row) => ({
    relation: names[Number(row['n'])] as RelationName,
    lastValue: BigInt(row['last_value'] ?? ''),
    isCalled: row['is_called'] === 't',
    increment: BigInt(row['increment'] ?? ''),
    minimum: BigInt(row['minimum'] ?? ''),
    maximum: BigInt(row['maximum'] ?? ''),
    isCyclic: row['is_cyclic'] === 't',
    cache: BigInt(row['cache'] ?? ''),
  }));
};

/** Of each sequence the furthest value; `lists` has one list for each source, all in the order of the sync. */
export const furthestSequences = (lists: readonly (readonly SequenceValue[])[]): readonly SequenceValue[] => {
  const [first = [], ...others] = lists;
  return first.map((value, index) => furthest([value, ...others.flatMap((list) => list[index] ?? [])]));
};

/** Up to here values are drawn one by one, which cannot collide with an application that draws at the same time. */
const stepsMax = 1000n;

/**
 * Brings a sequence forward, round its range if it cycles. `setval` is not atomic with reading the current value, so it is
 * used only for a distance that no application covers in the microseconds between, and only while the value is still on
 * the way: whatever happened since `own` was read, also when that was long ago, it never goes back. `nextval` for the rest.
 */
export const advanceSequence = (own: SequenceValue, wanted: SequenceValue): Sql => {
  const regclass = regclassOf(own.relation);
  const draws = own.isCalled && own.cache === 1n ? drawsBetween(own, wanted) : null;
  if (draws !== null && draws <= stepsMax)
    return sql`select count(pg_catalog.nextval(${regclass})) from pg_catalog.generate_series(1, ${draws}::bigint)`;
  const { schema, name } = own.relation;
  return sql`select pg_catalog.setval(${regclass}, ${wanted.lastValue}::bigint, ${wanted.isCalled}::boolean) from ${sql.id(schema, name)} s where ${isOnTheWay(own, wanted)}`;
};

/** To exactly this value, which may be one that the sequence has passed. */
export const setSequence = (
  { schema, name }: RelationName,
  { lastValue, isCalled }: Pick<SequenceValue, 'lastValue' | 'isCalled'>,
): Sql =>
  sql`select pg_catalog.setval(${regclassOf({ schema, name })}, ${lastValue}::bigint, ${isCalled}::boolean)`;

/** A cyclic sequence may have its way across the end of the range. */
const isOnTheWay = (own: SequenceValue, wanted: SequenceValue): Sql => {
  const isWrapped =
    wanted.lastValue > own.lastValue !== own.increment > 0n && wanted.lastValue !== own.lastValue;
  const [low, high] =
    own.lastValue < wanted.lastValue ? [own.lastValue, wanted.lastValue] : [wanted.lastValue, own.lastValue];
  return isWrapped
    ? sql`(s.last_value <= ${low}::bigint or s.last_value >= ${high}::bigint)`
    : sql`s.last_value between ${low}::bigint and ${high}::bigint`;
};

/**
 * Until the transaction ends nobody alters these sequences (ALTER SEQUENCE waits for this lock); drawing goes on. There is
 * no LOCK SEQUENCE: this is the function that takes the lock of nextval and draws nothing.
 */
export const lockDefinitions = (names: readonly RelationName[]): Sql =>
  sql`select ${sql.join(names.map((name) => sql`pg_catalog.pg_sequence_last_value(${regclassOf(name)})`))}`;

const regclassOf = ({ schema, name }: RelationName): Sql =>
  sql`${sql.literal(sql.id(schema, name).inlined())}::regclass`;
