/** A table that is replaced whole, against the same done by hand: DELETE, and a pipe of two COPY commands in one transaction. */
import { pipeline } from 'node:stream/promises';
import { sql } from '../../src/pg/sql.ts';
import type { Figure, Sample } from '../figure.ts';
import { addSync, assertEqual, atWork } from '../replication.ts';
import { type Bench, repeat, type Scenario, secondsOf } from '../scenario.ts';
import { fillItems, itemsSchema } from './items.ts';

const rowCount = 500_000;

interface Measured {
  readonly replaced: Sample;
  /** Of a copy that has found everything as it should be. */
  readonly unchangedSeconds: number;
}

const measure = async (bench: Bench): Promise<Measured> => {
  await using arena = await bench.arena('A', 'B', 'Limit');
  await arena.runEverywhere([itemsSchema, fillItems(1, rowCount)].join('\n'));
  await arena.runEverywhere('vacuum analyze items');
  const [source, target, bare] = [arena.on('A').session, arena.on('B').session, arena.on('Limit').session];
  const tahr = await addSync(arena, { A: 'source', B: 'fullcopy' });
  await using daemon = tahr.startDaemon();
  await atWork(arena);
  const kick = (): Promise<void> => tahr.run('kick', 'bench', '0');
  await kick();
  await source.script(sql`update public.items set val = val + 1 where id % 2 = 0`);
  await source.script(sql`vacuum analyze public.items`);
  await arena.settle();
  const replacedSeconds = await secondsOf(kick);
  await assertEqual([source, target], ['items']);
  const unchangedSeconds = await secondsOf(kick);
  await daemon[Symbol.asyncDispose]();
  await arena.settle();
  const limit = await secondsOf(async () => {
    await bare.script(sql`begin`, sql`delete from public.items`);
    await pipeline(
      source.copyOut(sql`copy public.items to stdout with (format binary)`),
      bare.copyIn(sql`copy public.items from stdin with (format binary)`),
    );
    await bare.script(sql`commit`);
  });
  return { replaced: { tahr: replacedSeconds, limit }, unchangedSeconds };
};

export const fullCopy: Scenario = {
  name: 'full-copy',
  about: `${rowCount.toLocaleString('en')} rows replaced whole by a kick, against DELETE and a pipe of two binary COPY commands`,
  run: async (bench): Promise<Figure[]> => {
    const found = await repeat(bench, 'full-copy', () => measure(bench));
    return [
      {
        scenario: 'full-copy',
        name: 'every second row has changed',
        unit: 's',
        value: 'limit/tahr',
        goal: null,
        samples: found.map(({ replaced }) => replaced),
      },
      {
        scenario: 'full-copy',
        name: 'nothing has changed, against a copy',
        unit: 's',
        value: 'tahr/limit',
        goal: null,
        samples: found.map(({ replaced, unchangedSeconds }) => ({
          tahr: unchangedSeconds,
          limit: replaced.tahr,
        })),
      },
    ];
  },
};
