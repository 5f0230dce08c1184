/**
 * `npm run demo [-- --seconds N]`: three real PostgreSQL servers, a shop that is written to on all of them at the same time,
 * and Tahr between them: A <=> B <=> C. In the middle the server of C is stopped, and started again. Ends with a comparison
 * of all rows; exit code 0 only if the three are equal.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openControlStore } from '../src/control/store.ts';
import { startServer } from '../tools/embedded-postgres.ts';
import { Application } from './application.ts';
import { CommandLine } from './command-line.ts';
import { compare } from './compare.ts';
import { Interruption } from './interruption.ts';
import { takeAwayAndBack } from './outage.ts';
import { connectTo, controlDatabase, createShop, type Place } from './shop.ts';
import { LiveView } from './view.ts';
import { provokeConflicts, runSite, type Site } from './writers.ts';

const names = ['A', 'B', 'C'] as const;
/** Without an end every phase of an outage takes so long. */
const endlessPhaseMs = 20_000;

const say = (text = ''): void => {
  process.stdout.write(`${text}\n`);
};

const secondsAsked = (): number => {
  const { values } = parseArgs({ options: { seconds: { type: 'string' } } });
  if (values.seconds === undefined) return Number.POSITIVE_INFINITY;
  const seconds = Number(values.seconds);
  if (Number.isFinite(seconds) && seconds > 0) return seconds;
  process.stderr.write(`--seconds takes a positive number, not "${values.seconds}".\n`);
  return process.exit(2);
};

const main = async (seconds: number, interruption: Interruption): Promise<boolean> => {
  const { signal } = interruption;
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'tahr-demo-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  say('Starting three PostgreSQL servers …');
  const places = await Promise.all(
    names.map(async (name): Promise<Place> => ({ name, server: stack.use(await startServer()) })),
  );
  for (const place of places) await createShop(place);
  const [first] = places as [Place];
  const control = `host=${first.server.parameters.host} port=${first.server.parameters.port} user=postgres dbname=${controlDatabase}`;
  const tahr = new CommandLine({ control, stateDirectory: directory, signal, say });
  stack.defer(() => tahr.runQuietly('stop'));
  await installTahr(tahr, places);

  await write({ places, seconds, interruption });
  say('\nThe applications have stopped. Waiting until everything has arrived …');
  await tahr.showWaiting('kick', 'shop', '60');
  const isEqual = await compare(places, say);
  await tahr.show('conflicts', 'shop', '5');
  await tahr.show('status');
  await tahr.show('stop');
  return isEqual;
};

const installTahr = async (tahr: CommandLine, places: readonly Place[]): Promise<void> => {
  await tahr.show('install');
  for (const { name, server } of places) {
    const { host, port } = server.parameters;
    await tahr.show('add', 'db', name, `host=${host}`, `port=${port}`, 'user=postgres', 'dbname=shop');
  }
  await tahr.show('add', 'all', 'tables', 'db=A', 'relgroup=shop');
  await tahr.show('add', 'all', 'sequences', 'db=A', 'relgroup=shop');
  await tahr.show('add', 'sync', 'shop', 'relgroup=shop', 'dbs=A:source,B:source,C:source');
  await tahr.show('start');
};

interface WriteOptions {
  readonly places: readonly Place[];
  readonly seconds: number;
  readonly interruption: Interruption;
}

/** Returns when the applications have stopped; all servers run then. */
const write = async ({ places, seconds, interruption }: WriteOptions): Promise<void> => {
  await using stack = new AsyncDisposableStack();
  const connections = (): Application[] =>
    places.map((place) => stack.use(new Application(() => connectTo(place))));
  const sites = connections().map(
    (application, index): Site => ({ name: names[index] ?? '', index, application, transactions: 0 }),
  );
  const [first, , last] = places as [Place, Place, Place];
  const store = stack.use(
    await openControlStore({ connect: () => connectTo(first, controlDatabase), schema: 'tahr' }),
  );
  say(`\n${announcement(seconds)}`);
  const signal = interruption.beginWork();
  const end = (): void => interruption.endWork();
  const timer = Number.isFinite(seconds) ? setTimeout(end, seconds * 1000) : undefined;
  const view = new LiveView({ sites, store, say });
  const tell = (text: string): void => view.tell(text);
  const phaseMs = Number.isFinite(seconds) ? (seconds * 1000) / 3 : endlessPhaseMs;
  await together(end, [
    ...sites.map((site) => runSite(site, signal)),
    provokeConflicts(connections(), signal),
    takeAwayAndBack({ ...last, store, phaseMs, signal, tell }),
    view.run(signal),
  ]);
  clearTimeout(timer);
};

/** When one fails, the others are ended too, before the servers go. */
const together = async (end: () => void, work: readonly Promise<void>[]): Promise<void> => {
  try {
    await Promise.all(work);
  } finally {
    end();
    await Promise.allSettled(work);
  }
};

const announcement = (seconds: number): string =>
  Number.isFinite(seconds)
    ? `Applications write on A, B and C for ${seconds} seconds. In the middle third the server of C is stopped.`
    : `Applications write on A, B and C until you press Ctrl-C. Every minute the server of C is stopped for ${endlessPhaseMs / 1000} seconds.`;

const interruption = new Interruption();
try {
  process.exitCode = (await main(secondsAsked(), interruption)) ? 0 : 1;
} catch (error) {
  if (!interruption.signal.aborted) throw error;
  say('\nInterrupted. The daemon and the servers are stopped.');
  process.exitCode = 130;
}
