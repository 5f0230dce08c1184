/** What capture, and replication beside it, cost the application. */
import type { Session } from '../../src/pg/session.ts';
import { sql } from '../../src/pg/sql.ts';
import type { Figure, Goal, Sample } from '../figure.ts';
import { millisecondsEach, rateOf } from '../rate.ts';
import { addSync, arrivalOf, assertEqual, markerSchema, setMarker } from '../replication.ts';
import { type Bench, repeat, type Scenario, secondsOf } from '../scenario.ts';
import { fillItems, itemsSchema } from './items.ts';

const clientCount = 4;
const accountCount = 100_000;

/** As pgbench's transaction, with primary keys on all tables (PostgreSQL manual, pgbench). */
const bankSchema = `
  create table branches (bid integer primary key, bbalance integer not null);
  create table tellers (tid integer primary key, bid integer not null, tbalance integer not null);
  create table accounts (aid integer primary key, bid integer not null, abalance integer not null, filler text not null);
  create table history (id bigint generated always as identity primary key, tid integer not null, bid integer not null,
                        aid integer not null, delta integer not null, mtime timestamptz not null);
  insert into branches select i, 0 from generate_series(1, 10) i;
  insert into tellers select i, i % 10 + 1, 0 from generate_series(1, 100) i;
  insert into accounts select i, i % 10 + 1, 0, repeat(' ', 84) from generate_series(1, ${accountCount}) i;`;

/** Statements as a client sends them, one after the other. */
const transfer = async (session: Session): Promise<void> => {
  const below = (count: number): number => 1 + Math.floor(Math.random() * count);
  const [aid, tid, bid, delta] = [below(accountCount), below(100), below(10), below(10_000) - 5_000];
  await session.script(sql`begin`);
  await session.query(
    sql`update public.accounts set abalance = abalance + ${delta}::integer where aid = ${aid}::integer`,
  );
  await session.query(sql`select abalance from public.accounts where aid = ${aid}::integer`);
  await session.query(
    sql`update public.tellers set tbalance = tbalance + ${delta}::integer where tid = ${tid}::integer`,
  );
  await session.query(
    sql`update public.branches set bbalance = bbalance + ${delta}::integer where bid = ${bid}::integer`,
  );
  await session.query(sql`
    insert into public.history (tid, bid, aid, delta, mtime)
    values (${tid}::integer, ${bid}::integer, ${aid}::integer, ${delta}::integer, now())`);
  await session.script(sql`commit`);
};

/** Bare and replicated stretches in turns, in databases of the same server. */
const measureRates = async (bench: Bench, isRunning: boolean): Promise<Sample> => {
  await using arena = await bench.arena('A', 'B', 'A2');
  await arena.runEverywhere([bankSchema, markerSchema].join('\n'));
  await arena.runEverywhere('vacuum analyze');
  const tahr = await addSync(arena, { A: 'source', B: 'target' });
  await using daemon = isRunning ? tahr.startDaemon() : null;
  await arena.settle();
  const rates: { own: number; bare: number }[] = [];
  const rateOn = (database: string): Promise<number> =>
    rateOf(arena, { database, count: clientCount, transact: transfer });
  for (let turn = 0; turn < 2; turn += 1) rates.push({ bare: await rateOn('A2'), own: await rateOn('A') });
  const [source, target] = [arena.on('A').session, arena.on('B').session];
  await source.script(sql.verbatim(setMarker(1)));
  await using late = daemon ?? tahr.startDaemon();
  await arrivalOf(target, 1);
  await late[Symbol.asyncDispose]();
  await assertEqual([source, target], ['accounts', 'tellers', 'branches', 'history']);
  const mean = (pick: (one: { own: number; bare: number }) => number): number =>
    rates.reduce((sum, one) => sum + pick(one), 0) / rates.length;
  const milliseconds = (pick: Parameters<typeof mean>[0]): number =>
    millisecondsEach(mean(pick), clientCount);
  return { tahr: milliseconds(({ own }) => own), limit: milliseconds(({ bare }) => bare) };
};

const rates = (name: string, about: string, goal: Goal, isRunning: boolean): Scenario => ({
  name,
  about,
  run: async (bench): Promise<Figure[]> => [
    {
      scenario: name,
      name: '',
      unit: 'ms',
      value: 'limit/tahr',
      goal,
      samples: await repeat(bench, name, () => measureRates(bench, isRunning)),
    },
  ],
});

const bulkChanges = {
  insert: fillItems(300_001, 600_000),
  update: `update items set val = val + 1 where id <= 300000`,
};

const measureBulk = async (bench: Bench, change: string): Promise<Sample> => {
  await using arena = await bench.arena('A', 'A2', 'B');
  await arena.runEverywhere([itemsSchema, markerSchema, fillItems(1, 300_000)].join('\n'));
  await arena.runEverywhere('vacuum analyze items');
  await addSync(arena, { A: 'source', B: 'target' });
  await arena.settle();
  const limit = await secondsOf(() => arena.on('A2').session.script(sql.verbatim(change)));
  await arena.settle();
  const tahr = await secondsOf(() => arena.on('A').session.script(sql.verbatim(change)));
  return { tahr, limit };
};

export const overheadScenarios: readonly Scenario[] = [
  rates(
    'overhead-capture',
    `transactions as pgbench has them, ${clientCount} clients, no daemon, against a database without Tahr`,
    { must: 0.87, aim: 0.94 },
    false,
  ),
  rates(
    'overhead-running',
    'the same with daemon and target on the same machine',
    { must: 0.75, aim: 0.85 },
    true,
  ),
  {
    name: 'overhead-bulk',
    about: 'one statement over 300,000 rows, against a database without Tahr',
    run: async (bench): Promise<Figure[]> => {
      const figures: Figure[] = [];
      for (const [name, change] of Object.entries(bulkChanges))
        figures.push({
          scenario: 'overhead-bulk',
          name,
          unit: 's',
          value: 'tahr/limit',
          goal: { must: 1.5, aim: 1.2 },
          samples: await repeat(bench, `overhead-bulk, ${name}`, () => measureBulk(bench, change)),
        });
      return figures;
    },
  },
];
