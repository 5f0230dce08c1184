/** From a seed to a plan: topology, tables, syncs, and the steps that are played. Looks at nothing but the seed. */
import { faultPoints } from '../../../src/replication/fault-point.ts';
import { type Dice, diceOf } from './dice.ts';
import type { Place, Plan, RoundStep, Step, SyncPlan } from './plan.ts';
import { createTable, initialRows, type TablePlan, tableStyles, writeSomething } from './tables.ts';
import { chooseTopology, type Topology } from './topologies.ts';

export const planOf = (seed: number): Plan => {
  const dice = diceOf(seed);
  const topology = chooseTopology(dice);
  const tables = Array.from({ length: topology.tableCount }, (_, index) =>
    createTable({ name: `t${index + 1}`, style: dice.pick(tableStyles), isOwned: topology.isOwned }, dice),
  );
  const syncs = topology.syncs.map((shape) => chooseSync(shape, { topology, tables, dice }));
  const writer = new ScriptWriter({ dice, topology, tables, syncs });
  const steps = writer.write(dice.between(12, 45));
  return {
    seed,
    shape: topology.shape,
    databases: topology.databases.filter((name) => name !== writer.lateDatabase),
    makedelta: topology.makedelta,
    tables,
    syncs,
    initial: tables.flatMap((table, index) => initialRows(table, topology.writers[index]?.length ?? 1, dice)),
    steps,
    equal: writer.equalDatabases(),
    isRing: topology.isRing,
  };
};

interface Choices {
  readonly topology: Topology;
  readonly tables: readonly TablePlan[];
  readonly dice: Dice;
}

const chooseSync = (
  { name, members, tables: places }: Topology['syncs'][number],
  { topology, tables, dice }: Choices,
): SyncPlan => {
  const { lateDatabase, lateTable } = topology;
  const names = places.flatMap((place) => tables[place]?.name ?? []);
  const sources = sourcesOf(members);
  return {
    name,
    members: Object.fromEntries(Object.entries(members).filter(([member]) => member !== lateDatabase)),
    tables: names.filter((_, place) => place !== lateTable),
    strategy: chooseStrategy(sources, topology, dice),
    tableStrategies: Object.fromEntries(
      dice.some(names, 0.15).map((table) => [table, chooseStrategy(sources, topology, dice)]),
    ),
    // What another source holds and the first does not is given up by a copy.
    isCopied: sources.length === 1 && topology.syncs.length === 1 && lateTable === null && dice.chance(0.3),
  };
};

const sourcesOf = (members: SyncPlan['members']): string[] =>
  Object.keys(members).filter((name) => members[name] === 'source');

const chooseStrategy = (
  sources: readonly string[],
  { isLatestOnly, syncs, lateDatabase }: Topology,
  dice: Dice,
): string => {
  if (isLatestOnly || sources.length === 1) return 'bucardo_latest';
  const kind = dice.weighted({
    bucardo_latest: 40,
    bucardo_latest_table: 10,
    bucardo_latest_all_tables: 10,
    bucardo_source: 8,
    bucardo_target: 8,
    bucardo_random: 8,
    // A list has all sources that there are.
    list: lateDatabase === null ? 8 : 0,
    // What is left undecided in one sync stays different in the next.
    bucardo_skip: syncs.length === 1 ? 8 : 0,
  });
  return kind === 'list' ? dice.shuffled(sources).join(' ') : kind;
};

interface OpenTransaction {
  readonly database: string;
  readonly session: number;
  /** Set once it is prepared: it then belongs to no session. */
  readonly gid: string | null;
}

class ScriptWriter {
  readonly #dice: Dice;
  readonly #topology: Topology;
  readonly #tables: readonly TablePlan[];
  /** As they are at this point of the script. */
  #syncs: readonly SyncPlan[];
  #lateDatabase: string | null;
  #lateTable: string | null;
  readonly #open: OpenTransaction[] = [];
  readonly #makedelta: Set<string>;
  #gidCount = 0;
  /** A sync that is paused, for so many more steps. */
  #paused: { readonly sync: string; stepsLeft: number } | null = null;

  constructor({ dice, topology, tables, syncs }: Choices & { readonly syncs: readonly SyncPlan[] }) {
    this.#dice = dice;
    this.#topology = topology;
    this.#tables = tables;
    this.#syncs = syncs;
    this.#makedelta = new Set(topology.makedelta);
    this.#lateDatabase = topology.lateDatabase;
    this.#lateTable = topology.lateTable === null ? null : (tables[topology.lateTable]?.name ?? null);
  }

  /** Null: it has joined, or there is none. */
  get lateDatabase(): string | null {
    return this.#lateDatabase;
  }

  write(count: number): Step[] {
    const steps = Array.from({ length: count }, () => this.#step());
    const ends = this.#open.splice(0).map((transaction) => this.#end(transaction));
    return [...steps, ...ends];
  }

  #step(): Step {
    const { isRing } = this.#topology;
    const isAlone = this.#syncs.length === 1;
    this.#passTime();
    switch (
      this.#dice.weighted({
        transaction: 42,
        // In a ring a transaction that began early and writes late may lose its way (docs/cascading.md).
        open: isRing ? 0 : 6,
        proceed: this.#open.length > 0 ? 8 : 0,
        round: this.#running().length === 0 ? 0 : 34,
        maintain: 4,
        restart: 1,
        crash: 0.5,
        rewrite: 1,
        strategy: 2,
        // With several syncs, what does not go on meanwhile never will.
        makedelta: isAlone ? 0.5 : 0,
        join: this.#lateDatabase === null ? 0 : 4,
        leave: this.#canLeave() ? 1 : 0,
        addTable: this.#lateTable === null ? 0 : 4,
        removeTable: this.#canRemoveTable() ? 0.5 : 0,
      })
    ) {
      case 'transaction':
        return this.#transaction();
      case 'open':
        return this.#openTransaction();
      case 'proceed':
        return this.#proceed();
      case 'round':
        return this.#round(0);
      case 'maintain':
        return { kind: 'maintain', present: this.#dice.some(this.#members(), 0.8) };
      case 'restart':
        return { kind: 'restart' };
      case 'crash':
        return { kind: 'crash' };
      case 'rewrite':
        return this.#rewrite();
      case 'makedelta':
        return this.#switchMakedelta();
      case 'strategy':
        return this.#changeStrategy();
      case 'join':
        return this.#join();
      case 'leave':
        return this.#leave();
      case 'addTable':
        return this.#addTable();
      case 'removeTable':
        return this.#removeTable();
      default:
        throw new Error('no such step');
    }
  }

  /** Now and then a sync is paused for a while. */
  #passTime(): void {
    if (this.#paused !== null) {
      this.#paused.stepsLeft -= 1;
      if (this.#paused.stepsLeft === 0) this.#paused = null;
    } else if (this.#dice.chance(0.015)) {
      this.#paused = { sync: this.#dice.of(this.#syncs).name, stepsLeft: this.#dice.between(4, 10) };
    }
  }

  #running(): SyncPlan[] {
    return this.#syncs.filter(({ name }) => name !== this.#paused?.sync);
  }

  #rewrite(): Step {
    const { name } = this.#dice.of(this.#tables);
    const statement = this.#dice.pick([
      `alter table ${name} alter val type int using val + 0`,
      `vacuum full ${name}`,
      `cluster ${name} using ${name}_pkey`,
    ]);
    return { kind: 'rewrite', database: this.#dice.of(this.#members()), statement };
  }

  #switchMakedelta(): Step {
    const database = this.#dice.of(this.#members());
    const isOn = !this.#makedelta.has(database);
    if (isOn) this.#makedelta.add(database);
    else this.#makedelta.delete(database);
    return { kind: 'makedelta', database, isOn };
  }

  /** A whole transaction in one step. */
  #transaction(): Step {
    const dice = this.#dice;
    const database = dice.of(this.#writers());
    const end = dice.weighted({ commit: 80, rollback: 8, prepare: 7, abandon: 3 });
    const gid = this.#gid();
    const ends = {
      commit: ['commit'],
      rollback: ['rollback'],
      prepare: [`prepare transaction '${gid}'`, `commit prepared '${gid}'`],
      abandon: [`prepare transaction '${gid}'`, `rollback prepared '${gid}'`],
    };
    return {
      kind: 'write',
      database,
      session: 0,
      statements: [this.#begin(), ...this.#statements(database, false), ...ends[end]],
    };
  }

  #openTransaction(): Step {
    const database = this.#dice.of(this.#writers());
    const session = this.#dice.between(1, 2);
    if (this.#open.some((one) => one.database === database && one.session === session && one.gid === null))
      return this.#transaction();
    this.#open.push({ database, session, gid: null });
    const statements = this.#dice.chance(0.5) ? this.#statements(database, true) : ['select now()'];
    return { kind: 'write', database, session, statements: [this.#begin(), ...statements] };
  }

  /** An open transaction goes on, or ends. */
  #proceed(): Step {
    const dice = this.#dice;
    const transaction = dice.of(this.#open);
    const { database, session, gid } = transaction;
    if (gid === null && dice.chance(0.4))
      return { kind: 'write', database, session, statements: this.#statements(database, true) };
    this.#open.splice(this.#open.indexOf(transaction), 1);
    if (gid !== null || dice.chance(0.75)) return this.#end(transaction);
    const prepared = this.#gid();
    this.#open.push({ database, session, gid: prepared });
    return { kind: 'write', database, session, statements: [`prepare transaction '${prepared}'`] };
  }

  #end({ database, session, gid }: OpenTransaction): Step {
    const how = this.#dice.chance(0.8) ? 'commit' : 'rollback';
    const statements = [gid === null ? how : `${how} prepared '${gid}'`];
    return { kind: 'write', database, session: gid === null ? session : 0, statements };
  }

  #gid(): string {
    this.#gidCount += 1;
    return `g${this.#gidCount}`;
  }

  #begin(): string {
    const level = this.#dice.weighted({ 'read committed': 80, 'repeatable read': 14, serializable: 6 });
    return level === 'read committed' ? 'begin' : `begin isolation level ${level}`;
  }

  #statements(database: string, isLong: boolean): string[] {
    const dice = this.#dice;
    const writes = Array.from({ length: dice.pick([1, 1, 1, 2, 2, 3]) }, () =>
      this.#statement(database, isLong),
    );
    if (!dice.chance(0.15)) return writes;
    const undone = dice.chance(0.6) ? ['rollback to s'] : ['release s'];
    const [inside, outside] = [this.#statement(database, isLong), this.#statement(database, isLong)];
    return [...writes, 'savepoint s', inside, ...undone, outside];
  }

  #statement(database: string, isLong: boolean): string {
    const { writers } = this.#topology;
    const mine = this.#tables.filter(
      ({ name }, index) => writers[index]?.includes(database) === true && name !== this.#lateTable,
    );
    const table = this.#dice.of(mine);
    const all = writers[this.#tables.indexOf(table)] ?? [];
    return writeSomething(table, { place: all.indexOf(database), count: all.length }, this.#dice, isLong);
  }

  #writers(): string[] {
    const members = new Set(this.#members());
    return [...new Set(this.#topology.writers.flat())].filter((name) => members.has(name));
  }

  /** By table: where it is in a sync now. */
  equalDatabases(): Readonly<Record<string, readonly string[]>> {
    return Object.fromEntries(
      this.#tables.map(({ name }) => [
        name,
        [
          ...new Set(
            this.#syncs.flatMap(({ tables, members }) => (tables.includes(name) ? Object.keys(members) : [])),
          ),
        ],
      ]),
    );
  }

  #members(): string[] {
    return [...new Set(this.#syncs.flatMap(({ members }) => Object.keys(members)))];
  }

  #change(sync: SyncPlan, change: Partial<SyncPlan>): void {
    this.#syncs = this.#syncs.map((one) => (one === sync ? { ...one, ...change } : one));
  }

  #join(): Step {
    const [sync] = this.#syncs as [SyncPlan];
    const database = this.#lateDatabase ?? '';
    const role = this.#topology.syncs[0]?.members[database] ?? 'target';
    this.#lateDatabase = null;
    this.#change(sync, { members: { ...sync.members, [database]: role } });
    return { kind: 'join', sync: sync.name, database, role };
  }

  #canLeave(): boolean {
    const [sync] = this.#syncs as [SyncPlan];
    const isNamed = [sync.strategy, ...Object.values(sync.tableStrategies)].some(
      (strategy) => !strategy.startsWith('bucardo_'),
    );
    // What only a target has read of it would stay there (docs/limitations.md).
    const mayBeUnread = this.#open.length === 0 || !hasTargets(sync);
    return this.#syncs.length === 1 && sourcesOf(sync.members).length > 2 && !isNamed && mayBeUnread;
  }

  /** The last source. */
  #leave(): Step {
    const [sync] = this.#syncs as [SyncPlan];
    const database = sourcesOf(sync.members).at(-1) ?? '';
    const members = Object.entries(sync.members).filter(([name]) => name !== database);
    this.#change(sync, { members: Object.fromEntries(members) });
    return {
      kind: 'leave',
      sync: sync.name,
      database,
      isSettled: this.#open.length === 0 && (hasTargets(sync) || this.#dice.chance(0.5)),
    };
  }

  #addTable(): Step {
    const [sync] = this.#syncs as [SyncPlan];
    const table = this.#lateTable ?? '';
    this.#lateTable = null;
    this.#change(sync, { tables: [...sync.tables, table] });
    return { kind: 'add_table', sync: sync.name, table };
  }

  /** Its triggers are dropped, which waits for transactions that write it. */
  #canRemoveTable(): boolean {
    const [sync] = this.#syncs as [SyncPlan];
    return this.#syncs.length === 1 && this.#open.length === 0 && sync.tables.length > 1;
  }

  #removeTable(): Step {
    const [sync] = this.#syncs as [SyncPlan];
    const table = this.#dice.of(sync.tables);
    this.#change(sync, { tables: sync.tables.filter((name) => name !== table) });
    return { kind: 'remove_table', sync: sync.name, table };
  }

  /** @param depth how many rounds it is in the middle of */
  #round(depth: number): RoundStep {
    const dice = this.#dice;
    const sync = dice.of(this.#running());
    const lanes = lanesOf(sync);
    const lane = dice.of(lanes);
    const sources = sourcesOf(sync.members);
    const isOfSources = lane.every((name) => sources.includes(name));
    const present = atLeast(isOfSources ? 2 : 1, dice.some(sources, 0.8), sources);
    const written = isOfSources ? atLeast(1, dice.some(present, 0.85), present) : lane;
    const members = [...present, ...written];
    const place = (): Place => ({ point: dice.pick(faultPoints), database: dice.of(members) });
    return {
      kind: 'round',
      sync: sync.name,
      present,
      written,
      during: dice.chance(depth === 0 ? 0.4 : 0) ? [{ ...place(), steps: this.#inTheMiddle() }] : [],
      fault: dice.chance(0.2)
        ? { ...place(), how: dice.weighted({ kill: 10, cut: 10, fail: 10, crash: 1 }) }
        : null,
    };
  }

  #inTheMiddle(): Step[] {
    return Array.from({ length: this.#dice.between(1, 2) }, (): Step => {
      const kind = this.#dice.weighted({ transaction: 68, round: 18, maintain: 9, rewrite: 5 });
      if (kind === 'transaction') return this.#transaction();
      if (kind === 'round') return this.#round(1);
      return kind === 'rewrite' ? this.#rewrite() : { kind: 'maintain', present: this.#members() };
    });
  }

  #changeStrategy(): Step {
    const sync = this.#dice.of(this.#syncs);
    const table = this.#dice.chance(0.5) ? this.#dice.of(sync.tables) : null;
    const strategy = chooseStrategy(sourcesOf(sync.members), this.#topology, this.#dice);
    this.#change(
      sync,
      table === null ? { strategy } : { tableStrategies: { ...sync.tableStrategies, [table]: strategy } },
    );
    return { kind: 'strategy', sync: sync.name, table, strategy };
  }
}

const hasTargets = ({ members }: SyncPlan): boolean => Object.values(members).includes('target');

/** The databases that are written together. */
const lanesOf = ({ members }: SyncPlan): string[][] => {
  const sources = sourcesOf(members);
  const targets = Object.keys(members).filter((name) => members[name] === 'target');
  return [...(sources.length > 1 ? [sources] : []), ...targets.map((name) => [name])];
};

const atLeast = (count: number, chosen: readonly string[], all: readonly string[]): readonly string[] =>
  chosen.length >= count ? chosen : all.slice(0, count);
