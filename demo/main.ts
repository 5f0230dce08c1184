/**
 * `npm run demo [-- --seconds N]`: three real PostgreSQL servers, a shop that is written to on A and B at the same time, and
 * Tahr between them: A <=> B -> C. Ends with a comparison of all rows; exit code 0 only if the three are equal.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { connect } from '../src/pg/conninfo.ts';
import type { Session } from '../src/pg/session.ts';
import { sql } from '../src/pg/sql.ts';
import { type Server, startServer } from '../tools/embedded-postgres.ts';
import { createCommandLine } from './command-line.ts';
import { differences, digests, type TableDigest } from './compare.ts';
import { showLive } from './view.ts';
import { productCount, provokeConflicts, runSite, type Site } from './writers.ts';

const names = ['A', 'B', 'C'] as const;
type Name = (typeof names)[number];

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

const main = async (seconds: number): Promise<boolean> => {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'tahr-demo-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  say('Starting three PostgreSQL servers …');
  const servers = await Promise.all(
    names.map(async (name) => [name, stack.use(await startServer())] as const),
  );
  const sessions = new Map<Name, Session>();
  for (const [name, server] of servers) sessions.set(name, stack.use(await createShop(name, server)));
  const [, first] = servers[0] as readonly [Name, Server];
  const control = `host=${first.parameters.host} port=${first.parameters.port} user=postgres dbname=tahr_control`;
  const tahr = createCommandLine({ control, stateDirectory: directory, say });
  await installTahr(tahr, servers);
  stack.defer(() => tahr(['stop', '--quiet'], { isShown: false }));

  const sites = (['A', 'B'] as const).map(
    (name): Site => ({ name, session: sessions.get(name) as Session, transactions: 0 }),
  );
  const conflicting = await Promise.all(
    servers.slice(0, 2).map(async ([name, server]) => ({
      name,
      session: stack.use(await open(name, server)),
      transactions: 0,
    })),
  );
  await write({ sites, conflicting, seconds, control });

  say('\nWriters have stopped. Waiting until everything has arrived …');
  await tahr(['kick', 'shop', '60']);
  const isEqual = await compare(sessions);
  await tahr(['conflicts', 'shop', '5']);
  await tahr(['status']);
  await tahr(['stop']);
  return isEqual;
};

const open = (name: Name, server: Server, dbname = 'shop'): Promise<Session> =>
  connect({ ...server.parameters, dbname }, { label: name, applicationName: 'demo' });

/** The same schema and the same products everywhere; all rows after that come through replication. */
const createShop = async (name: Name, server: Server): Promise<Session> => {
  await using administrator = await open(name, server, 'postgres');
  await administrator.script(sql`create database shop`);
  if (name === 'A') await administrator.script(sql`create database tahr_control`);
  const session = await open(name, server);
  const schema = await readFile(new URL('shop.sql', import.meta.url), 'utf8');
  await session.script(sql`set search_path = public`, sql.verbatim(schema));
  await session.script(sql`
    insert into product select n, 'Product ' || n, 10 + n % 90, 100 from generate_series(1, ${productCount}::integer) n`);
  return session;
};

type CommandLine = ReturnType<typeof createCommandLine>;

const installTahr = async (
  tahr: CommandLine,
  servers: readonly (readonly [Name, Server])[],
): Promise<void> => {
  await tahr(['install']);
  for (const [name, { parameters }] of servers)
    await tahr([
      'add',
      'db',
      name,
      `host=${parameters.host}`,
      `port=${parameters.port}`,
      'user=postgres',
      'dbname=shop',
    ]);
  await tahr(['add', 'all', 'tables', 'db=A', 'relgroup=shop']);
  await tahr(['add', 'all', 'sequences', 'db=A', 'relgroup=shop']);
  await tahr(['add', 'sync', 'shop', 'relgroup=shop', 'dbs=A:source,B:source,C:target']);
  await tahr(['start']);
};

interface WriteOptions {
  readonly sites: readonly Site[];
  readonly conflicting: readonly Site[];
  readonly seconds: number;
  readonly control: string;
}

const write = async ({ sites, conflicting, seconds, control }: WriteOptions): Promise<void> => {
  const stop = new AbortController();
  const end = (): void => stop.abort();
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  const timer = Number.isFinite(seconds) ? setTimeout(end, seconds * 1000) : undefined;
  const isOver = (): boolean => stop.signal.aborted;
  say(
    `\nApplications write on A and on B${Number.isFinite(seconds) ? ` for ${seconds} seconds` : ' until you press Ctrl-C'}.\n`,
  );
  await Promise.all([
    ...sites.map((site) => runSite(site, isOver)),
    provokeConflicts(conflicting, isOver),
    showLive({ sites, control, signal: stop.signal, say }),
  ]).finally(() => clearTimeout(timer));
};

const compare = async (sessions: ReadonlyMap<Name, Session>): Promise<boolean> => {
  const all = await Promise.all([...sessions.values()].map((session) => digests(session)));
  const different = differences(all);
  const [first = []] = all;
  say('\nComparing A, B and C, row by row:');
  for (const { table, rowCount } of first as readonly TableDigest[])
    say(
      `  ${table.padEnd(12)} ${String(rowCount).padStart(7)} rows  ${different.includes(table) ? 'DIFFERENT' : 'equal'}`,
    );
  say(different.length === 0 ? 'All three databases are equal.' : 'The databases differ.');
  return different.length === 0;
};

process.exitCode = (await main(secondsAsked())) ? 0 : 1;
