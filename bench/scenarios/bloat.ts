/** What Tahr's tables take on the source's disk while a transaction stays open there and millions of changes are consumed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from '../../src/pg/session.ts';
import { sql } from '../../src/pg/sql.ts';
import type { Figure } from '../figure.ts';
import { addSync, arrivalOf, assertEqual, markerSchema, setMarker } from '../replication.ts';
import { type Bench, repeat, type Scenario } from '../scenario.ts';

const statementCount = 30;
const rowCount = 100_000;
/** The same on each machine that is fast enough: how much there is at a time depends on how much is written in that time. */
const statementEveryMs = 4_000;
/** A segment is left after 60 s at the latest, and emptied after that; the daemon looks every 15 s. */
const rotatesWithinMs = 100_000;

/**
 * The daemon looks every 15 s: it moves writers on when their segment has more than 16 MB, and empties it at the next look. So there are 16 MB,
 * twice what is written in 15 s (some 30 MB at this pace), and one statement (8 MB) that is not consumed yet.
 */
const highest = { must: 90, aim: 64 };
/** Empty tables and the first pages of their indexes. */
const afterwards = { must: 1, aim: 0.5 };

/** Narrow: the application's own dead rows, which nothing can remove meanwhile, are not what is measured. */
const countersSchema = `
  create table counters (id integer primary key, val integer not null);
  insert into counters select i, 0 from generate_series(1, ${rowCount}) i;`;

interface Size {
  readonly megabytes: number;
  /** In the delta segments. */
  readonly deadRowCount: number;
  /** In Tahr's other tables. */
  readonly otherDeadRowCount: number;
}

const sizeOf = async (session: Session): Promise<Size> => {
  const [row] = await session.query(sql`
    select sum(pg_total_relation_size(relid)) filter (where is_segment) / 1048576 as megabytes,
           sum(n_dead_tup) filter (where is_segment) as dead_rows,
           sum(n_dead_tup) filter (where not is_segment) as other_dead_rows
      from pg_stat_user_tables
     cross join lateral (select relname ~ '^d_[0-9]+_[0-9]+$' as is_segment) s
     where schemaname = 'tahr'`);
  return {
    megabytes: Number(row?.['megabytes']),
    deadRowCount: Number(row?.['dead_rows']),
    otherDeadRowCount: Number(row?.['other_dead_rows']),
  };
};

interface Measured {
  /** Just after each statement, when there is most. */
  readonly sizes: readonly Size[];
  readonly end: Size;
}

const measure = async (bench: Bench): Promise<Measured> => {
  await using arena = await bench.arena('A', 'B');
  await arena.runEverywhere([countersSchema, markerSchema].join('\n'));
  await arena.runEverywhere('vacuum analyze counters');
  const [source, target] = [arena.on('A').session, arena.on('B').session];
  const tahr = await addSync(arena, { A: 'source', B: 'target' });
  await using _daemon = tahr.startDaemon();
  await source.script(sql.verbatim(setMarker(0)));
  await arrivalOf(target, 0);
  // It has a transaction id, and has written nothing that Tahr replicates.
  await using application = await arena.another('A');
  await application.script(sql`begin`, sql`create temporary table held (id integer)`);
  const sizes: Size[] = [];
  const began = performance.now();
  for (let number = 1; number <= statementCount; number += 1) {
    await source.script(sql`update public.counters set val = val + 1`, sql.verbatim(setMarker(number)));
    sizes.push(await sizeOf(source));
    await arrivalOf(target, number);
    await sleep(Math.max(0, began + number * statementEveryMs - performance.now()));
  }
  await application.script(sql`rollback`);
  await sleep(rotatesWithinMs);
  await assertEqual([source, target], ['counters']);
  return { sizes, end: await sizeOf(source) };
};

const largest = (sizes: readonly Size[], pick: (size: Size) => number): number =>
  Math.max(...sizes.map(pick));

export const bloat: Scenario = {
  name: 'bloat',
  about: `size of the delta on disk, ${statementCount} statements over ${rowCount.toLocaleString('en')} rows while a transaction stays open`,
  run: async (bench): Promise<Figure[]> => {
    const found = await repeat(bench, 'bloat', () => measure(bench));
    const size = { scenario: 'bloat', unit: 'MB', value: 'tahr' } as const;
    const deadRows = (name: string, pick: (size: Size) => number, goal: Figure['goal']): Figure => ({
      scenario: 'bloat',
      name,
      unit: 'rows',
      value: 'tahr',
      goal,
      samples: found.map(({ sizes, end }) => ({ tahr: largest([...sizes, end], pick), limit: null })),
    });
    return [
      {
        ...size,
        name: 'delta on disk at its largest, against all that was noted',
        goal: highest,
        samples: found.map(({ sizes }) => ({
          tahr: largest(sizes, ({ megabytes }) => megabytes),
          limit: statementCount * (sizes[0]?.megabytes ?? Number.NaN),
        })),
      },
      {
        ...size,
        name: 'delta on disk in the end',
        goal: afterwards,
        samples: found.map(({ end }) => ({ tahr: end.megabytes, limit: null })),
      },
      deadRows('dead rows of the delta', ({ deadRowCount }) => deadRowCount, { must: 0, aim: 0 }),
      deadRows("dead rows of Tahr's other tables", ({ otherDeadRowCount }) => otherDeadRowCount, null),
    ];
  },
};
