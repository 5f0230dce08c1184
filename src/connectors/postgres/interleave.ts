/**
 * Interleaved sequences: each of n sources counts by n times the increment, from a place of its own, so that no two ever
 * draw the same value, whether they can reach each other or not.
 *
 * A sequence is altered on all sources at once, while nobody draws from it anywhere: ALTER SEQUENCE waits for
 * transactions that have drawn, and holds up those that want to, until the commit. So the values that the sources begin
 * with are beyond everything that was ever drawn. RESTART is undone with its transaction; setval would not be.
 */
import { ReplicationError } from '../../model/errors.ts';
import { formatRelation, type RelationId, type RelationName, type SyncId } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { type Sql, sql } from '../../pg/sql.ts';
import { whenNotBusy } from './give-way.ts';
import { firstCongruent, furthest, modulo, type SequencePoint } from './sequence-order.ts';
import { readSequences, type SequenceValue } from './sequences.ts';

/** Which values a source draws. */
export interface Share {
  /** How many sources the sync has. */
  readonly sources: number;
  /** From 1, in the order of the dbgroup. */
  readonly place: number;
}

export interface InterleavedSequence {
  readonly id: RelationId;
  readonly sync: SyncId;
  readonly relation: RelationName;
  /** Whether there still is a sequence of this name. */
  readonly isThere: boolean;
  /** What it counted by before. */
  readonly increment: bigint;
  readonly share: Share;
}

/** What is interleaved on this database, for whichever sync; nothing where Tahr has no schema, or one without the table. */
export const readInterleaved = async (
  session: Session,
  schema: string,
): Promise<Map<RelationId, InterleavedSequence>> => {
  const table = sql.id(schema, 'interleaved');
  const [found] = await session.query(
    sql`select to_regclass(${table.inlined()}::text) is not null as is_there`,
  );
  if (found?.['is_there'] !== 't') return new Map();
  const rows = await session.query(sql`
    select i.relation, i.sync, i.schema_name, i.relation_name, i.increment, i.sources, i.place,
           exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                    where n.nspname = i.schema_name and c.relname = i.relation_name and c.relkind = 'S') as is_there
      from ${table} i
     order by i.relation`);
  return new Map(
    rows.map((row) => {
      const id = Number(row['relation']) as RelationId;
      return [
        id,
        {
          id,
          sync: row['sync'] as SyncId,
          relation: { schema: row['schema_name'] as string, name: row['relation_name'] as string },
          isThere: row['is_there'] === 't',
          increment: BigInt(row['increment'] ?? ''),
          share: { sources: Number(row['sources']), place: Number(row['place']) },
        },
      ];
    }),
  );
};

interface Source {
  readonly session: Session;
  readonly share: Share;
  /** What the sequence is called there. */
  readonly relation: RelationName;
}

export interface Interleaving {
  readonly schema: string;
  readonly sync: SyncId;
  readonly id: RelationId;
  /** All that can be reached. */
  readonly sources: readonly [Source, ...Source[]];
  readonly signal: AbortSignal;
}

/**
 * Interleaves one sequence among the sources; does nothing when each of them draws as it should already.
 * @throws ReplicationError `interleave_impossible`, `privilege_missing`, `given_way` when it was busy for a minute
 */
export const interleaveSequence = async (wanted: Interleaving): Promise<void> => {
  const { sources, signal } = wanted;
  const states = await Promise.all(sources.map((source) => isInterleaved(wanted, source)));
  if (states.every(Boolean)) return;
  await whenNotBusy(
    sources.map(({ session }) => session),
    signal,
    () => shareOut(wanted),
  );
};

const isInterleaved = async (
  { schema, sync, id }: Interleaving,
  { session, share, relation }: Source,
): Promise<boolean> => {
  const known = (await readInterleaved(session, schema)).get(id);
  if (known === undefined || known.sync !== sync) return false;
  if (known.share.sources !== share.sources || known.share.place !== share.place) return false;
  const value = await readSequence(session, relation);
  const { step, residue } = drawingOf(known.increment, share);
  return value.increment === step && modulo(value.lastValue - residue, step) === 0n;
};

const readSequence = async (session: Session, relation: RelationName): Promise<SequenceValue> => {
  const [value] = await readSequences(session, [relation]);
  if (value === undefined) throw new Error(`${formatRelation(relation)} was not read`);
  return value;
};

/** In transactions that are open on all sources. */
const shareOut = async (wanted: Interleaving): Promise<void> => {
  const [first, ...others] = wanted.sources;
  const locked = [await lockOut(wanted, first)] as [Locked, ...Locked[]];
  for (const source of others) locked.push(await lockOut(wanted, source));
  const goal = furthest(locked.map(({ value }) => value) as [SequenceValue, ...SequenceValue[]]);
  for (const one of locked) await restart(wanted, one, goal);
};

interface Locked {
  readonly source: Source;
  readonly increment: bigint;
  readonly value: SequenceValue;
}

/** From here on nobody else draws, so the value that is read after it is the last one. */
const lockOut = async ({ schema, id }: Interleaving, source: Source): Promise<Locked> => {
  const { session, share, relation } = source;
  const known = (await readInterleaved(session, schema)).get(id);
  const increment = known?.increment ?? (await readSequence(session, relation)).increment;
  await session.script(alterIncrement(relation, drawingOf(increment, share).step));
  return { source, increment, value: await readSequence(session, relation) };
};

const restart = async (
  { schema, sync, id }: Interleaving,
  { source, increment, value }: Locked,
  goal: SequencePoint,
): Promise<void> => {
  const { session, share, relation } = source;
  const start = firstCongruent(goal, drawingOf(increment, share));
  if (!isWithin(value, start))
    throw new ReplicationError('interleave_impossible', {
      message: `${formatRelation(relation)} on ${session.label} cannot be interleaved: its next value would be ${start}, and it goes from ${value.minimum} to ${value.maximum}.`,
      facts: { database: session.label, relation: formatRelation(relation) },
    });
  await session.script(
    alterRestart(relation, start),
    sql`insert into ${sql.id(schema, 'interleaved')}
               (relation, sync, schema_name, relation_name, increment, sources, place)
        values (${id}::integer, ${sync}::uuid, ${relation.schema}::text, ${relation.name}::text,
                ${increment}::bigint, ${share.sources}::integer, ${share.place}::integer)
        on conflict (relation) do update
           set (sync, schema_name, relation_name, increment, sources, place)
             = (excluded.sync, excluded.schema_name, excluded.relation_name, excluded.increment,
                excluded.sources, excluded.place)`,
  );
};

const drawingOf = (
  increment: bigint,
  { sources, place }: Share,
): { readonly step: bigint; readonly residue: bigint } => {
  const size = increment < 0n ? -increment : increment;
  return { step: increment * BigInt(sources), residue: size * BigInt(place) };
};

const isWithin = ({ minimum, maximum }: SequencePoint, value: bigint): boolean =>
  minimum <= value && value <= maximum;

/** ALTER SEQUENCE takes no parameters. */
const alterIncrement = ({ schema, name }: RelationName, increment: bigint): Sql =>
  sql`alter sequence ${sql.id(schema, name)} increment by ${sql.verbatim(String(increment))}`;
const alterRestart = ({ schema, name }: RelationName, value: bigint): Sql =>
  sql`alter sequence ${sql.id(schema, name)} restart with ${sql.verbatim(String(value))}`;

interface PutBack {
  readonly schema: string;
  readonly sequence: InterleavedSequence;
  /** How far the other databases are; null when that is not known. */
  readonly goal: SequencePoint | null;
  readonly signal: AbortSignal;
}

/**
 * Lets the sequence count as it did before, from beyond `goal` and beyond its own value. Where there is no room for
 * that it stays where it is, and the next round sets it.
 */
export const putBackSequence = (
  session: Session,
  { schema, sequence, goal, signal }: PutBack,
): Promise<void> =>
  whenNotBusy([session], signal, async () => {
    const { id, relation, increment, isThere } = sequence;
    if (isThere) {
      await session.script(alterIncrement(relation, increment));
      const own = await readSequence(session, relation);
      const end =
        goal === null ? own : furthest([own, { ...own, lastValue: goal.lastValue, isCalled: goal.isCalled }]);
      const next = end.isCalled ? end.lastValue + increment : end.lastValue;
      if (isWithin(own, next)) await session.script(alterRestart(relation, next));
    }
    await session.script(sql`delete from ${sql.id(schema, 'interleaved')} where relation = ${id}::integer`);
  });

/** What an operator runs where the sync could not be removed: puts all its sequences back. */
export const putBackByHand = (schema: string, sync: SyncId): Sql => {
  const table = sql.id(schema, 'interleaved');
  const body = sql`
declare s record;
begin
  if to_regclass(${table.inlined()}) is null then return; end if;
  for s in select schema_name, relation_name, increment from ${table} where sync = ${sync}::uuid loop
    execute format('alter sequence if exists %I.%I increment by %s', s.schema_name, s.relation_name, s.increment);
  end loop;
  delete from ${table} where sync = ${sync}::uuid;
end`;
  return sql`do ${sql.literal(body.inlined())}`;
};
