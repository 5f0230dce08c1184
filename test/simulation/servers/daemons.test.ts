/**
 * Histories that no script orders: applications write on all sources at the same time while daemons, each a process of its own, are killed at
 * hand-overs of their rounds, one after the other. Seeds choose what is written and where daemons die; the rest is up to the machine.
 *
 * Fails where the conflict log, the daemons' way from one to the next, or anything of the engine loses a change: see check.ts.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { isReplicationError } from '../../../src/model/errors.ts';
import type { Role } from '../../../src/model/topology.ts';
import type { Session } from '../../../src/pg/session.ts';
import { sql } from '../../../src/pg/sql.ts';
import { faultPoints } from '../../../src/replication/fault-point.ts';
import { type Server, startServer } from '../../../tools/embedded-postgres.ts';
import { createInstallation, type TestInstallation } from '../../daemon/installation.ts';
import { testSeed } from '../../support/history.ts';
import { check } from './check.ts';
import { type Dice, diceOf } from './dice.ts';
import { createTable, initialRows, type TablePlan, type Writer, writeSomething } from './tables.ts';
import { eraOf, namesOf, tablesOf } from './verdicts.ts';
import { installWitness, readChronicle, recordOf } from './witness.ts';

const program = `${import.meta.dirname}/../../support/faulty-daemon.ts`;
const writingMs = 8_000;

/** Transactions until it is told to stop; those that others are in the way of are rolled back. */
const writeUntil = async (
  session: Session,
  {
    tables,
    writer,
    dice,
    isOver,
  }: { tables: readonly TablePlan[]; writer: Writer; dice: Dice; isOver: () => boolean },
): Promise<void> => {
  await session.script(sql`set search_path = public`, sql`set lock_timeout = 300`);
  while (!isOver()) {
    const count = dice.between(1, 3);
    const statements = Array.from({ length: count }, () =>
      writeSomething(dice.of(tables), writer, dice, false),
    );
    try {
      await session.script(sql`begin`);
      for (const statement of statements) {
        await session.script(sql.verbatim(statement));
        await wait(dice.below(15));
      }
      await session.script(dice.chance(0.9) ? sql`commit` : sql`rollback`);
    } catch (error) {
      if (!isReplicationError(error)) throw error;
      await session.script(sql`rollback`);
    }
    await wait(dice.below(40));
  }
};

/** One daemon after the other, killed where the dice say, or when it has not come there for a while. */
const killDaemons = async (
  shop: TestInstallation,
  { dice, isOver, names }: { dice: Dice; isOver: () => boolean; names: readonly string[] },
): Promise<number> => {
  let count = 0;
  for (; !isOver(); count += 1) {
    const fault = { signal: 'SIGKILL', point: dice.pick(faultPoints), database: dice.of(names) };
    const options = JSON.stringify({ control: shop.control.parameters, ...fault });
    const daemon: ChildProcess = spawn(process.execPath, [program, options], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    onTestFinished(() => void daemon.kill('SIGKILL'));
    const timer = setTimeout(() => daemon.kill('SIGKILL'), 4_000);
    await once(daemon, 'exit');
    clearTimeout(timer);
    await shop.forgetDaemons();
  }
  return count;
};

const expectAllShipped = (shop: TestInstallation, names: readonly string[]): Promise<void> =>
  vi.waitFor(
    async () => {
      for (const name of names) {
        const session = await shop.database(name).session();
        expect(await session.query(sql`select id from tahr.conflict`)).toEqual([]);
        await session.close();
      }
    },
    { timeout: 60_000, interval: 500 },
  );

/** The checker asks when a transaction was committed. */
const settings = { fsync: 'off', max_connections: '200', track_commit_timestamp: 'on' };
let server: Server;

beforeAll(async () => {
  server = await startServer({ settings });
  return async () => server[Symbol.asyncDispose]();
});

const expectNothingLost = async (seed: number, roles: Readonly<Record<string, Role>>): Promise<void> => {
  const dice = diceOf(seed);
  const names = Object.keys(roles);
  const sources = names.filter((name) => roles[name] === 'source');
  const tables = (['plain', 'composite', 'unique'] as const).map((style, index) =>
    createTable({ name: `t${index + 1}`, style, isOwned: false }, dice),
  );
  const initial = tables.flatMap((table) => initialRows(table, sources.length, dice));
  const shop = await createInstallation({
    roles,
    servers: Object.fromEntries(names.map((name) => [name, server])),
    schema: [...tables.map(({ create }) => create), ...initial].join(';\n'),
    tables: tables.map(({ name }) => name),
  });
  const sessions = new Map(
    await Promise.all(names.map(async (name) => [name, await shop.database(name).session()] as const)),
  );
  for (const [name, session] of sessions)
    await session.script(sql`set search_path = public`, ...installWitness(name, tables));
  const endsAt = Date.now() + writingMs;
  const isOver = (): boolean => Date.now() > endsAt;
  const writers = sources.flatMap((name, place) =>
    [1, 2].map(async (nth) => {
      const session = await shop.database(name).session('writer');
      const writer = { place, count: sources.length };
      await writeUntil(session, { tables, writer, dice: diceOf(seed * 100 + place * 10 + nth), isOver });
    }),
  );
  const [daemonCount] = await Promise.all([killDaemons(shop, { dice, isOver, names }), ...writers]);
  shop.startDaemon();
  await shop.equal(120_000);
  await expectAllShipped(shop, names);
  const chronicles = await Promise.all(
    [...sessions].map(([name, session]) => readChronicle(session, name, tables)),
  );
  const logged = await (await shop.control.session()).query(
    sql`select *, relation as tbl from tahr_control.conflict`,
  );
  const [first, ...others] = chronicles;
  const recorded = {
    names: namesOf(shop.sync.members.map(({ database }) => database)),
    eras: [eraOf(shop.sync, 0n)],
    tables: tablesOf(shop.sync.relations),
  };
  const found = check({
    chronicles: first === undefined ? [] : [{ ...first, records: logged.map(recordOf) }, ...others],
    tables,
    equal: Object.fromEntries(tables.map(({ name }) => [name, names])),
    syncs: new Map([[shop.sync.id, recorded]]),
    isLatestOnly: () => true,
    isRing: false,
    departed: new Set(),
    unread: new Set(),
  });
  expect(found.faults, `seed ${seed}: ${found.changeCount} changes, ${daemonCount} daemons`).toEqual([]);
  expect(found.changeCount).toBeGreaterThan(50);
  expect(found.conflictCount).toBeGreaterThan(0);
};

test.each([
  { A: 'source', B: 'source' },
  { A: 'source', B: 'source', T: 'target' },
  { A: 'source', B: 'source', C: 'source', T: 'target' },
] as const)(
  'nothing is lost while daemons are killed under writers, in %o',
  async (roles) => {
    await expectNothingLost(testSeed() + Object.keys(roles).length, roles);
  },
  300_000,
);
