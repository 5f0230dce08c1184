/** From a seed to a plan: topology, tables, syncs, and the steps that are played. Looks at nothing but the seed. */
import { faultPoints } from '../../../src/replication/fault-point.ts';
import { type Dice, diceOf } from './dice.ts';
import type { Place, Plan, RoundStep, Step, SyncPlan } from './plan.ts';
import { createTable, initialRows, type TablePlan, tableStyles } from './tables.ts';
import { chooseTopology, type Topology } from './topologies.ts';
import { TransactionWriter } from './transactions.ts';

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

class ScriptWriter {
  readonly #dice: Dice;
  readonly #topology: Topology;
  readonly #tables: readonly TablePlan[];
  /** As they are at this point of the script. */
  #syncs: readonly SyncPlan[];
  #lateDatabase: string | null;
  #lateTable: string | null;
  readonly #transactions: TransactionWriter;
  readonly #makedelta: Set<string>;
  /** A sync that is paused, for so many more steps. */
  #paused: { readonly sync: string; stepsLeft: number } | null = null;

  constructor({ dice, topology, tables, syncs }: Choices & { readonly syncs: readonly SyncPlan[] }) {
    this.#dice = dice;
    this.#topology = topology;
    this.#tables = tables;
    this.#syncs = syncs;
    this.#transactions = new TransactionWriter({
      dice,
      topology,
      tables,
      members: () => this.#members(),
      lateTable: () => this.#lateTable,
    });
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
    return [...steps, ...this.#transactions.endAll()];
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
        proceed: this.#transactions.isAnyOpen ? 8 : 0,
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
        return this.#transactions.whole();
      case 'open':
        return this.#transactions.open();
      case 'proceed':
        return this.#transactions.proceed();
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
    const mayBeUnread = !this.#transactions.isAnyOpen || !hasTargets(sync);
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
      isSettled: !this.#transactions.isAnyOpen && (hasTargets(sync) || this.#dice.chance(0.5)),
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
    return this.#syncs.length === 1 && !this.#transactions.isAnyOpen && sync.tables.length > 1;
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
      if (kind === 'transaction') return this.#transactions.whole();
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
