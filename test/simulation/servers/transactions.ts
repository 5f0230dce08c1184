/** What applications do in a script: whole transactions, and such that stay open while other things happen. */
import type { Dice } from './dice.ts';
import type { Step } from './plan.ts';
import { type TablePlan, writeSomething } from './tables.ts';
import type { Topology } from './topologies.ts';

interface OpenTransaction {
  readonly database: string;
  readonly session: number;
  /** Set once it is prepared: it then belongs to no session. */
  readonly gid: string | null;
}

interface TransactionOptions {
  readonly dice: Dice;
  readonly topology: Topology;
  readonly tables: readonly TablePlan[];
  /** Of all syncs, as they are at this point of the script. */
  readonly members: () => readonly string[];
  /** In no sync yet; null: none. */
  readonly lateTable: () => string | null;
}

export class TransactionWriter {
  readonly #options: TransactionOptions;
  readonly #dice: Dice;
  readonly #open: OpenTransaction[] = [];
  #gidCount = 0;

  constructor(options: TransactionOptions) {
    this.#options = options;
    this.#dice = options.dice;
  }

  get isAnyOpen(): boolean {
    return this.#open.length > 0;
  }

  /** Those that are still open. */
  endAll(): Step[] {
    return this.#open.splice(0).map((transaction) => this.#end(transaction));
  }

  /** A whole transaction in one step. */
  whole(): Step {
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

  open(): Step {
    const database = this.#dice.of(this.#writers());
    const session = this.#dice.between(1, 2);
    if (this.#open.some((one) => one.database === database && one.session === session && one.gid === null))
      return this.whole();
    this.#open.push({ database, session, gid: null });
    const statements = this.#dice.chance(0.5) ? this.#statements(database, true) : ['select now()'];
    return { kind: 'write', database, session, statements: [this.#begin(), ...statements] };
  }

  /** An open transaction goes on, or ends. */
  proceed(): Step {
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
    const { writers } = this.#options.topology;
    const mine = this.#options.tables.filter(
      ({ name }, index) => writers[index]?.includes(database) === true && name !== this.#options.lateTable(),
    );
    const table = this.#dice.of(mine);
    const all = writers[this.#options.tables.indexOf(table)] ?? [];
    return writeSomething(table, { place: all.indexOf(database), count: all.length }, this.#dice, isLong);
  }

  #writers(): string[] {
    const members = new Set(this.#options.members());
    return [...new Set(this.#options.topology.writers.flat())].filter((name) => members.has(name));
  }
}
