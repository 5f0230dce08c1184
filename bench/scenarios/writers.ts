/** Many applications that commit one row at a time: do they wait for each other because they are replicated? */
import type { Session } from '../../src/pg/session.ts';
import { sql } from '../../src/pg/sql.ts';
import type { Figure, Sample } from '../figure.ts';
import { millisecondsEach, rateOf } from '../rate.ts';
import { addSync, arrivalOf, assertEqual, markerSchema, setMarker } from '../replication.ts';
import { type Bench, repeat, type Scenario } from '../scenario.ts';
import { fillItems, itemsSchema } from './items.ts';

const rowsPerClient = 1_000;

/** Each client has rows of its own. */
const update = async (session: Session, client: number, turn: number): Promise<void> => {
  const id = client * rowsPerClient + (turn % rowsPerClient) + 1;
  await session.query(sql`update public.items set val = val + 1 where id = ${id}::bigint`);
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
  const rateOn = (database: string): Promise<number> =>
    rateOf(arena, { database, count: clientCount, transact: update });
  const [bare, own] = [await rateOn('A2'), await rateOn('A')];
  const [source, target] = [arena.on('A').session, arena.on('B').session];
  await source.script(sql.verbatim(setMarker(1)));
  await arrivalOf(target, 1);
  await daemon[Symbol.asyncDispose]();
  await assertEqual([source, target], ['items']);
  return { tahr: millisecondsEach(own, clientCount), limit: millisecondsEach(bare, clientCount) };
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
