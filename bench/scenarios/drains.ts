/** What one statement, or many transactions, have changed while no daemon ran, brought over after it has been started. */
import { sql } from '../../src/pg/sql.ts';
import type { Figure, Goal, Sample } from '../figure.ts';
import { addSync, arrivalOf, assertEqual, markerSchema, setMarker } from '../replication.ts';
import { type Bench, repeat, type Scenario, secondsOf } from '../scenario.ts';
import { fillItems, itemsSchema } from './items.ts';

interface Drain {
  readonly name: string;
  readonly about: string;
  readonly goal: Goal;
  /** How many rows the table has before. */
  readonly rowCount: number;
  /** What is done on the source. */
  readonly change: string;
  /** The same net change, as the least that a server has to do for it. */
  readonly limit: string;
}

const changeNote = `val = val + 1, note = repeat(md5(id::text || 'changed'), 3)`;

const drains: readonly Drain[] = [
  {
    name: 'drain-insert',
    about: '300,000 rows inserted by one statement',
    goal: { must: 0.35, aim: 0.6 },
    rowCount: 0,
    change: fillItems(1, 300_000),
    limit: fillItems(1, 300_000),
  },
  {
    name: 'drain-update',
    about: '300,000 rows of 1,000,000 changed by one statement',
    goal: { must: 0.6, aim: 0.75 },
    rowCount: 1_000_000,
    change: `update items set ${changeNote} where id <= 300000`,
    limit: `update items set ${changeNote} where id <= 300000`,
  },
  {
    name: 'drain-hot',
    about: '300,000 transactions of one row each over 100,000 rows',
    goal: { must: 0.5, aim: 0.7 },
    rowCount: 100_000,
    change: 'call change_hot(100000, 3)',
    limit: `update items set val = val + 3`,
  },
  {
    name: 'drain-delete',
    about: '300,000 rows of 1,000,000 deleted by one statement',
    goal: { must: 0.5, aim: 0.7 },
    rowCount: 1_000_000,
    change: 'delete from items where id <= 300000',
    limit: 'delete from items where id <= 300000',
  },
  {
    name: 'drain-mixed',
    about: '100,000 rows inserted, 100,000 changed and 100,000 deleted',
    goal: { must: 0.5, aim: 0.7 },
    rowCount: 1_000_000,
    change: mixed(),
    limit: mixed(),
  },
];

function mixed(): string {
  return [
    'begin',
    fillItems(1_000_001, 1_100_000),
    `update items set ${changeNote} where id <= 100000`,
    'delete from items where id between 100001 and 200000',
    'commit',
  ].join(';');
}

/** Waits for no disk between its transactions, which are what the source does and not what is measured. */
const changeHot = `
  create procedure change_hot(row_count integer, laps integer) language plpgsql as $$
  begin
    perform set_config('synchronous_commit', 'off', false);
    for lap in 1 .. laps loop
      for row_id in 1 .. row_count loop
        update items set val = val + 1 where id = row_id;
        commit;
      end loop;
    end loop;
    perform set_config('synchronous_commit', 'on', false);
  end $$;`;

export const drainScenarios: readonly Scenario[] = drains.map((drain) => ({
  name: drain.name,
  about: drain.about,
  run: async (bench): Promise<Figure[]> => {
    const found = await repeat(bench, drain.name, () => measure(bench, drain));
    const own = (name: string, unit: string, pick: (one: Measured) => number): Figure => ({
      scenario: drain.name,
      name,
      unit,
      value: 'tahr',
      goal: null,
      samples: found.map((one) => ({ tahr: pick(one), limit: null })),
    });
    return [
      {
        scenario: drain.name,
        name: '',
        unit: 's',
        value: 'limit/tahr',
        goal: drain.goal,
        samples: found.map(({ sample }) => sample),
      },
      own('processor time of the daemon', 's', ({ cpuSeconds }) => cpuSeconds),
      own('memory of the daemon', 'MB', ({ peakMegabytes }) => peakMegabytes),
    ];
  },
}));

interface Measured {
  readonly sample: Sample;
  readonly cpuSeconds: number;
  readonly peakMegabytes: number;
}

const measure = async (bench: Bench, { rowCount, change, limit }: Drain): Promise<Measured> => {
  await using arena = await bench.arena('A', 'B', 'Limit');
  await arena.runEverywhere([itemsSchema, markerSchema, changeHot].join('\n'));
  if (rowCount > 0) await arena.runEverywhere(fillItems(1, rowCount));
  await arena.runEverywhere('vacuum analyze items');
  const [source, target, bare] = [arena.on('A').session, arena.on('B').session, arena.on('Limit').session];
  const tahr = await addSync(arena, { A: 'source', B: 'target' });
  await source.script(sql.verbatim(change));
  await source.script(sql.verbatim(setMarker(1)));
  await arena.settle();
  const began = performance.now();
  await using daemon = tahr.startDaemon();
  await arrivalOf(target, 1);
  const seconds = (performance.now() - began) / 1000;
  const usage = await daemon.usage();
  await assertEqual([source, target], ['items']);
  await daemon[Symbol.asyncDispose]();
  await arena.settle();
  const limitSeconds = await secondsOf(() => bare.script(sql.verbatim(limit)));
  return { sample: { tahr: seconds, limit: limitSeconds }, ...usage };
};
