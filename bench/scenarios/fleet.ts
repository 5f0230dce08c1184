/** A hundred syncs over twenty databases in one daemon: what they cost while nothing happens, and how long they take when all have something to do. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from '../../src/pg/sql.ts';
import type { Arena } from '../arena.ts';
import type { Figure, Goal } from '../figure.ts';
import { appearance, assertEqual, install } from '../replication.ts';
import { type Bench, repeat, type Scenario, secondsOf } from '../scenario.ts';
import type { Tahr } from '../tahr.ts';

const pairs = Array.from({ length: 10 }, (_, index) => ({
  source: `A${index + 1}`,
  target: `B${index + 1}`,
}));
/** One for each sync of a pair; the same names in all databases. */
const tables = Array.from({ length: 10 }, (_, index) => `items_${index + 1}`);

/** Longer than a session is kept that nobody needs (30 s). */
const calmMs = 45_000;
/** What the daemon does now and then, it does every 15 s or more often. */
const idleSeconds = 30;

interface Measured {
  readonly idlePercent: number;
  readonly peakMegabytes: number;
  readonly idleSessions: Sessions;
  /** Just after all syncs have had something to do. */
  readonly busySessionCount: number;
  readonly arrivalMs: number;
}

const measure = async (bench: Bench): Promise<Measured> => {
  await using arena = await bench.arena(...pairs.flatMap(({ source, target }) => [source, target]));
  await arena.runEverywhere(
    tables
      .map(
        (table) => `create table ${table} (id integer primary key, val integer not null);
          insert into ${table} values (1, 0);`,
      )
      .join('\n'),
  );
  const tahr = await addSyncs(bench, arena);
  await using daemon = tahr.startDaemon();
  await changeAll(arena, 1);
  await sleep(calmMs);
  const before = await daemon.usage();
  await sleep(idleSeconds * 1000);
  const after = await daemon.usage();
  const idleSessions = await sessionsOf(arena);
  const arrivalMs = 1000 * (await secondsOf(() => changeAll(arena, 2)));
  const busySessions = await sessionsOf(arena);
  const { peakMegabytes } = await daemon.usage();
  await daemon[Symbol.asyncDispose]();
  for (const { source, target } of pairs)
    await assertEqual([arena.on(source).session, arena.on(target).session], tables);
  return {
    idlePercent: ((after.cpuSeconds - before.cpuSeconds) / idleSeconds) * 100,
    peakMegabytes,
    idleSessions,
    busySessionCount: totalOf(busySessions),
    arrivalMs,
  };
};

const addSyncs = async ({ say }: Bench, arena: Arena): Promise<Tahr> => {
  const tahr = await install(
    arena,
    pairs.flatMap(({ source, target }) => [source, target]),
  );
  for (const { source, target } of pairs) {
    say(`fleet, syncs from ${source} to ${target}`);
    for (const table of tables)
      await tahr.run(
        'add',
        'sync',
        `${source}_${table}`,
        `tables=public.${table}`,
        `dbs=${source}:source,${target}:target`,
      );
  }
  return tahr;
};

/** One change in each sync, on all sources at the same time; returns when all have arrived. */
const changeAll = async (arena: Arena, val: number): Promise<void> => {
  await Promise.all(
    pairs.map(async ({ source }) => {
      for (const table of tables)
        await arena
          .on(source)
          .session.query(sql`update ${sql.id('public', table)} set val = ${val}::integer`);
    }),
  );
  for (const { target } of pairs)
    for (const table of tables)
      await appearance(
        arena.on(target).session,
        sql`select from ${sql.id('public', table)} where val = ${val}::integer`,
      );
};

/** Of the daemon on both servers, by what they are for. */
interface Sessions {
  readonly rounds: number;
  readonly watch: number;
  readonly control: number;
}

const totalOf = ({ rounds, watch, control }: Sessions): number => rounds + watch + control;

const sessionsOf = async (arena: Arena): Promise<Sessions> => {
  const [first] = pairs;
  const servers = first === undefined ? [] : [first.source, first.target];
  const found = await Promise.all(
    servers.map((name) =>
      arena.on(name).session.query(sql`
        select case when datname = 'tahr_bench_control' then 'control'
                    when application_name like 'tahr watch %' then 'watch'
                    else 'rounds' end as purpose
          from pg_stat_activity
         where application_name like 'tahr %' and datname like 'tahr_bench_%'`),
    ),
  );
  const countOf = (purpose: string): number =>
    found.flat().filter((row) => row['purpose'] === purpose).length;
  return { rounds: countOf('rounds'), watch: countOf('watch'), control: countOf('control') };
};

export const fleet: Scenario = {
  name: 'fleet',
  about: '100 syncs over 20 databases in one daemon: idle, and with one change in each',
  run: async (bench): Promise<Figure[]> => {
    const found = await repeat(bench, 'fleet', () => measure(bench));
    const own = (
      name: string,
      unit: string,
      pick: (one: Measured) => number,
      goal: Goal | null = null,
    ): Figure => ({
      scenario: 'fleet',
      name,
      unit,
      value: 'tahr',
      goal,
      samples: found.map((one) => ({ tahr: pick(one), limit: null })),
    });
    return [
      own('100 idle syncs, share of a core', '%', ({ idlePercent }) => idlePercent, { must: 10, aim: 1 }),
      own('memory of the daemon', 'MB', ({ peakMegabytes }) => peakMegabytes, { must: 200, aim: 120 }),
      own('sessions, idle: all', '', ({ idleSessions }) => totalOf(idleSessions)),
      own('sessions, idle: of rounds', '', ({ idleSessions }) => idleSessions.rounds),
      own('sessions, idle: that watch', '', ({ idleSessions }) => idleSessions.watch),
      own('sessions after the changes: all', '', ({ busySessionCount }) => busySessionCount),
      own('one change in each sync, until all have arrived', 'ms', ({ arrivalMs }) => arrivalMs),
    ];
  },
};
