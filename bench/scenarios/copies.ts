/** The initial copy, against a pipe of two COPY commands. */
import { pipeline } from 'node:stream/promises';
import { sql } from '../../src/pg/sql.ts';
import type { Figure, Sample } from '../figure.ts';
import { addSync, arrivalOf, assertEqual, markerSchema, setMarker } from '../replication.ts';
import { type Bench, repeat, type Scenario, secondsOf } from '../scenario.ts';
import { fillItems, itemsSchema } from './items.ts';

const rowCount = 2_000_000;

const measure = async (bench: Bench): Promise<Sample> => {
  await using arena = await bench.arena('A', 'B', 'Limit');
  await arena.runEverywhere([itemsSchema, markerSchema].join('\n'));
  const [source, target, bare] = [arena.on('A').session, arena.on('B').session, arena.on('Limit').session];
  await source.script(sql.verbatim(fillItems(1, rowCount)), sql.verbatim(setMarker(1)));
  await source.script(sql`vacuum analyze public.items`);
  const tahr = await addSync(arena, { A: 'source', B: 'target' }, 'onetimecopy=1');
  await arena.settle();
  const began = performance.now();
  await using daemon = tahr.startDaemon();
  await arrivalOf(target, 1);
  const seconds = (performance.now() - began) / 1000;
  await daemon[Symbol.asyncDispose]();
  await assertEqual([source, target], ['items']);
  await arena.settle();
  const limit = await secondsOf(() =>
    pipeline(
      source.copyOut(sql`copy public.items to stdout with (format binary)`),
      bare.copyIn(sql`copy public.items from stdin with (format binary)`),
    ),
  );
  return { tahr: seconds, limit };
};

export const copy: Scenario = {
  name: 'copy',
  about: `the initial copy of ${rowCount.toLocaleString('en')} rows, against a pipe of two binary COPY commands`,
  run: async (bench): Promise<Figure[]> => [
    {
      scenario: 'copy',
      name: '',
      unit: 's',
      value: 'limit/tahr',
      goal: { must: 0.9, aim: 1.2 },
      samples: await repeat(bench, 'copy', () => measure(bench)),
    },
  ],
};
