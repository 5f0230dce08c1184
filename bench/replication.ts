/** A sync between databases of an arena, and when something has arrived. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from '../src/pg/session.ts';
import type { Role } from '../src/model/topology.ts';
import { connect } from '../src/pg/conninfo.ts';
import { type Sql, sql } from '../src/pg/sql.ts';
import type { Arena } from './arena.ts';
import { conninfoWords } from './conninfo.ts';
import { Tahr } from './tahr.ts';

/** Everything that is to arrive is followed by a change of this table: rounds are atomic over the tables of a sync. */
export const markerSchema = 'create table marker (id integer primary key, place integer not null);';
export const setMarker = (place: number): string =>
  `insert into marker values (1, ${place}) on conflict (id) do update set place = excluded.place`;

const arrivesWithinMs = 600_000;
const lookEveryMs = 2;

/** Installs a sync over all tables, as `roles` says: `{ A: 'source', B: 'target' }`. No daemon runs afterwards. */
export const addSync = async (
  arena: Arena,
  roles: Readonly<Record<string, Role>>,
  ...options: readonly string[]
): Promise<Tahr> => {
  const tahr = await install(arena, Object.keys(roles));
  const [first] = Object.keys(roles);
  await tahr.run('add', 'all', 'tables', `db=${first}`, 'relgroup=all');
  const dbs = Object.entries(roles).map(([name, role]) => `${name}:${role}`);
  await tahr.run('add', 'sync', 'bench', 'relgroup=all', `dbs=${dbs.join()}`, ...options);
  return tahr;
};

/** Tahr that knows these databases, and no sync yet. */
export const install = async (arena: Arena, names: readonly string[]): Promise<Tahr> => {
  const tahr = new Tahr(arena.control, arena.profileSink);
  await tahr.run('install');
  for (const name of names) await tahr.run('add', 'db', name, ...conninfoWords(arena.on(name).parameters));
  return tahr;
};

/** @param id of the marker, where there are several @throws Error when it has not come after ten minutes */
export const arrivalOf = (session: Session, place: number, id = 1): Promise<void> =>
  appearance(
    session,
    sql`select from public.marker where id = ${id}::integer and place >= ${place}::integer`,
  );

/** Returns when the query finds a row. @throws Error when it has not after ten minutes */
export const appearance = async (session: Session, query: Sql): Promise<void> => {
  const deadline = performance.now() + arrivesWithinMs;
  while (performance.now() < deadline) {
    if ((await session.query(query)).length > 0) return;
    await sleep(lookEveryMs);
  }
  throw new Error(`what was written has not arrived at ${session.label} within ten minutes`);
};

/** Returns when a daemon, started just now, is there for kicks. */
export const atWork = async (arena: Arena): Promise<void> => {
  await using session = await connect(arena.control, { label: 'control', applicationName: 'bench' });
  await appearance(session, sql`select from tahr_control.daemon`);
};

/** @throws Error when they are not: a wrong answer has no speed */
export const assertEqual = async (sessions: readonly Session[], tables: readonly string[]): Promise<void> => {
  for (const table of tables) {
    const found = await Promise.all(sessions.map((session) => digestOf(session, table)));
    if (new Set(found).size > 1)
      throw new Error(
        `table ${table} differs: ${sessions.map(({ label }, i) => `${label} ${found[i]}`).join('; ')}`,
      );
  }
};

/** Independent of the order, so that nothing is sorted. */
const digestOf = async (session: Session, table: string): Promise<string> => {
  const [row] = await session.query(sql`
    select pg_catalog.concat_ws(' ', count(*), sum(pg_catalog.hashtextextended(t::text, 0)::numeric)) as digest
      from ${sql.id('public', table)} t`);
  return row?.['digest'] ?? '';
};
