/** Many applications that commit one row at a time: do they wait for each other because they are replicated? */
import type { Session } from '../../src/pg/session.ts';
import { sql } from '../../src/pg/sql.ts';
import type { Arena } from '../arena.ts';
import type { Figure, Sample } from '../figure.ts';
import { addSync, arrivalOf, assertEqual, markerSchema, setMarker } from '../replication.ts';
import { type Bench, repeat, type Scenario } from '../scenario.ts';
import { fillItems, itemsSchema } from './items.ts';

const stretchSeconds = 10;
const rowsPerClient = 1_000;

/** @returns transactions a second; each client has rows of its own */
const rateOn = async (arena: Arena, name: string, clientCount: number): Promise<number> => {
  const sessions = await Promise.all(Array.from({ length: clientCount }, () => arena.another(name)));
  let count = 0;
  const endsAt = performance.now() + stretchSeconds * 1000;
  const client = async (session: Session, index: number): Promise<void> => {
    for (let turn = 0; performance.now() < endsAt; turn += 1) {
      const id = index * rowsPerClient + (turn % rowsPerClient) + 1;
      await session.query(sql`update public.items set val = val + 1 where id = ${id}::bigint`);
      count += 1;
    }
  };
  await Promise.all(sessions.map(client));
  await Promise.all(sessions.map((session) => session.close()));
  return count / stretchSeconds;
};

/** Bare and replicated, in databases of the same server, with the daemon at work. */
const measure = async (bench: Bench, clientCount: number): Promise<Sample> => {
  await using arena = await bench.arena('A', 'B', 'A2');
  const rowCount = clientCount * rowsPerClient;
  await arena.runEverywhere([itemsSchema, markerSchema, fillItems(1, rowCount)].join('\n'));
  await arena.runEverywhere('vacuum analyze items');
  const tahr = await addSync(arena, { A: 'source', B: 'target' });
  await using daemon = tahr.startDaemon();
  await arena.settle();
  const bare = await rateOn(arena, 'A2', clientCount);
  const own = await rateOn(arena, 'A', clientCount);
  const [source, target] = [arena.on('A').session, arena.on('B').session];
  await source.script(sql.verbatim(setMarker(1)));
  await arrivalOf(target, 1);
  await daemon[Symbol.asyncDispose]();
  await assertEqual([source, target], ['items']);
  // As the time that one transaction takes, of one client.
  const milliseconds = (rate: number): number => (1000 * clientCount) / rate;
  return { tahr: milliseconds(own), limit: milliseconds(bare) };
};

export const writers: Scenario = {
  name: 'writers',
  about:
    'transactions of one row, by one client and by eight, with the daemon at work, against a database without Tahr',
  run: async (bench): Promise<Figure[]> => {
    const figures: Figure[] = [];
    for (const clientCount of [1, 8])
      figures.push({
        scenario: 'writers',
        name: clientCount === 1 ? 'one client' : `${clientCount} clients`,
        unit: 'ms',
        value: 'limit/tahr',
        goal: null,
        samples: await repeat(bench, `writers, ${clientCount}`, () => measure(bench, clientCount)),
      });
    return figures;
  },
};
