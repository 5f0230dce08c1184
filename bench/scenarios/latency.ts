/** How long a small transaction takes from its commit on the source to its commit on the target, while others come all the time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from '../../src/pg/sql.ts';
import type { Figure, Sample } from '../figure.ts';
import { latenciesOf } from '../latencies.ts';
import { addSync, arrivalOf, assertEqual, markerSchema, setMarker } from '../replication.ts';
import { type Bench, repeat, type Scenario } from '../scenario.ts';
import { fillItems, itemsSchema } from './items.ts';

const perSecond = 200;
const seconds = 20;
const rowCount = perSecond * seconds;

export const latency: Scenario = {
  name: 'latency',
  about: `${perSecond} transactions of one row a second for ${seconds} s, from commit to commit`,
  run: async (bench): Promise<Figure[]> => {
    const found = await repeat(bench, 'latency', () => measure(bench));
    const at = (share: number): Sample[] =>
      found.map(({ latencies }) => ({
        tahr: latencies[Math.floor(latencies.length * share)] ?? Number.NaN,
        limit: null,
      }));
    const figure = { scenario: 'latency', unit: 'ms', value: 'tahr' } as const;
    return [
      { ...figure, name: 'median', goal: { must: 5, aim: 2.5 }, samples: at(0.5) },
      { ...figure, name: '99 of 100', goal: { must: 25, aim: 8 }, samples: at(0.99) },
      {
        ...figure,
        name: 'processor time of the daemon for a second',
        goal: null,
        samples: found.map(({ cpuSeconds }) => ({ tahr: (cpuSeconds / seconds) * 1000, limit: null })),
      },
    ];
  },
};

interface Measured {
  /** Milliseconds, sorted. */
  readonly latencies: readonly number[];
  readonly cpuSeconds: number;
}

const measure = async (bench: Bench): Promise<Measured> => {
  await using arena = await bench.arena('A', 'B');
  await arena.runEverywhere([itemsSchema, markerSchema, fillItems(1, rowCount)].join('\n'));
  await arena.runEverywhere('vacuum analyze items');
  const [source, target] = [arena.on('A'), arena.on('B')];
  const tahr = await addSync(arena, { A: 'source', B: 'target' });
  await using daemon = tahr.startDaemon();
  await source.session.script(sql.verbatim(setMarker(1)));
  await arrivalOf(target.session, 1);
  await sleep(1_000);
  const before = await daemon.usage();
  const latencies = await latenciesOf(arena, { rowCount, perSecond, marker: 2 });
  const { cpuSeconds } = await daemon.usage();
  await assertEqual([source.session, target.session], ['items']);
  return { latencies, cpuSeconds: cpuSeconds - before.cpuSeconds };
};
