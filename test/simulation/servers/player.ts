/** Plays a plan on real databases, step by step, and collects what they say of themselves in the end. */
import { randomUUID } from 'node:crypto';
import { sql } from '../../../src/pg/sql.ts';
import { isReplicationError } from '../../../src/model/errors.ts';
import {
  type Database,
  type RelationId,
  type SyncDefinition,
  type SyncName,
  type SyncRelation,
} from '../../../src/model/topology.ts';
import { passOn } from '../../../src/replication/fault-point.ts';
import { type Caretaker, createCaretaker } from '../../support/caretaker.ts';
import { plainRelation, syncOf } from '../../support/sync-definition.ts';
import { createSyncRounds, membersOf, settleAll, type SyncRounds } from '../../support/sync-rounds.ts';
import { decideFor, errorText, rewrite, writeStep } from './application.ts';
import type { Arena } from './arena.ts';
import { describeStep, type Place, type Plan, type RoundStep, type Step, type SyncPlan } from './plan.ts';
import { Borrowed, broken, RoundLoans } from './round-loans.ts';
import { type Era, eraOf, type RecordedSync, tablesOf } from './verdicts.ts';
import { type Chronicle, installWitness, readChronicle } from './witness.ts';

export interface Played {
  readonly chronicles: readonly Chronicle[];
  /** What was done and what came of it, a line for each step. */
  readonly trace: readonly string[];
  /** What should not have happened while it was played. */
  readonly troubles: readonly string[];
  readonly syncs: readonly PlayedSync[];
}

interface PlayedSync extends Pick<RecordedSync, 'eras' | 'tables'> {
  readonly id: string;
}

export const play = async (arena: Arena, plan: Plan): Promise<Played> => {
  await arena.reset(plan.databases);
  const player = new Player(arena, plan);
  try {
    await player.prepare();
    for (const step of plan.steps) await player.step(step);
    await player.end();
  } catch (error) {
    player.trouble(error);
  }
  return player.played();
};

/** A round fails in one of these ways when applications are in its way or connections break: it is tried again. */
const expectedFailures = new Set([
  'given_way',
  'table_altered',
  'fenced',
  'interrupted',
  'database_unreachable',
]);

const roundTimeMaxMs = 30_000;

class Player {
  readonly #arena: Arena;
  readonly #plan: Plan;
  readonly #databases: Map<string, Database>;
  readonly #rounds = new Map<string, SyncRounds>();
  readonly #eras = new Map<string, Era[]>();
  readonly #caretaker: Caretaker;
  readonly #trace: string[] = [];
  readonly #troubles: string[] = [];
  readonly #borrowed: Borrowed;
  #chronicles: readonly Chronicle[] = [];

  constructor(arena: Arena, plan: Plan) {
    this.#arena = arena;
    this.#plan = plan;
    this.#borrowed = new Borrowed(arena);
    this.#databases = new Map(
      plan.databases.map((name) => {
        const database = arena.databases.get(name) as Database;
        return [name, { ...database, makedelta: plan.makedelta.includes(name) }];
      }),
    );
    this.#caretaker = createCaretaker(arena);
  }

  async prepare(): Promise<void> {
    await Promise.all(this.#plan.databases.map((name) => this.#createTables(name)));
    const installation = randomUUID();
    for (const sync of this.#plan.syncs) {
      const site = { oldestVersion: this.#arena.serverVersion, borrow: this.#borrowed.borrow };
      const rounds = createSyncRounds(site, this.#definitionOf(sync), installation);
      rounds.keepsCatalogs = true;
      this.#rounds.set(sync.name, rounds);
      this.#eras.set(sync.name, [eraOf(rounds.sync, 0n)]);
      await rounds.install();
    }
  }

  async #createTables(name: string): Promise<void> {
    const { tables, initial, syncs } = this.#plan;
    const isEmpty = syncs.some(({ isCopied, members }) => isCopied && Object.keys(members)[0] !== name);
    await this.#arena
      .application(name, 0)
      .script(
        ...tables.map(({ create }) => sql.verbatim(create)),
        ...(isEmpty ? [] : initial.map((statement) => sql.verbatim(statement))),
        ...installWitness(name, tables),
      );
  }

  #definitionOf({ name, members, tables, strategy, tableStrategies, isCopied }: SyncPlan): SyncDefinition {
    return syncOf({
      name: name as SyncName,
      members: membersOf(this.#databases, members),
      relations: tables.map((table) => this.#relationOf(table, tableStrategies[table] ?? null)),
      conflictStrategy: strategy,
      onetimecopy: isCopied ? 1 : 0,
      copyGeneration: isCopied ? 1 : 0,
    });
  }

  #relationOf(table: string, conflictStrategy: string | null): SyncRelation {
    const index = this.#plan.tables.findIndex(({ name }) => name === table);
    return {
      ...plainRelation,
      id: (index + 1) as RelationId,
      relation: { schema: 'public', name: table },
      conflictStrategy,
    };
  }

  async step(step: Step): Promise<void> {
    const result = await this.#do(step);
    this.#trace.push(`${describeStep(step)}${result === '' ? '' : ` -> ${result}`}`);
  }

  async #do(step: Step): Promise<string> {
    switch (step.kind) {
      case 'write':
        return writeStep(this.#arena.application(step.database, step.session), step.statements);
      case 'round':
        return this.#round(step);
      case 'maintain':
        await this.#caretaker.run(this.#definitions(), step.present);
        return '';
      case 'restart':
        for (const rounds of this.#rounds.values()) rounds.forget();
        await this.#arena.restart();
        return '';
      case 'crash':
        await this.#arena.crash();
        return '';
      case 'rewrite':
        return rewrite(this.#arena.application(step.database, 0), step.statement);
      case 'makedelta':
        await this.#switchMakedelta(step);
        return '';
      case 'strategy': {
        const rounds = this.#roundsOf(step.sync);
        rounds.sync = withStrategy(rounds.sync, step);
        return '';
      }
      case 'add_table': {
        const rounds = this.#roundsOf(step.sync);
        const relations = [...rounds.sync.relations, this.#relationOf(step.table, null)];
        await this.#change(rounds, { relations });
        return '';
      }
      case 'remove_table': {
        const rounds = this.#roundsOf(step.sync);
        const relations = rounds.sync.relations.filter(({ relation }) => relation.name !== step.table);
        await this.#change(rounds, { relations });
        return '';
      }
      case 'join':
        return this.#join(step);
      case 'leave': {
        if (step.isSettled) await this.#settle();
        const rounds = this.#roundsOf(step.sync);
        const members = rounds.sync.members.filter(({ database }) => database.name !== step.database);
        await this.#change(rounds, { members });
        return '';
      }
      default:
        return step satisfies never;
    }
  }

  async #change(rounds: SyncRounds, change: Partial<SyncDefinition>): Promise<void> {
    rounds.sync = { ...rounds.sync, ...change };
    this.#eras.get(rounds.sync.name)?.push(eraOf(rounds.sync, BigInt(Date.now()) * 1000n));
    await rounds.install();
    // A daemon begins new lanes for what has changed.
    rounds.forget();
  }

  async #switchMakedelta({
    database: name,
    isOn,
  }: Extract<Step, { readonly kind: 'makedelta' }>): Promise<void> {
    const database = { ...(this.#databases.get(name) as Database), makedelta: isOn };
    this.#databases.set(name, database);
    for (const rounds of this.#rounds.values()) {
      const members = rounds.sync.members.map((member) =>
        member.database.name === name ? { ...member, database } : member,
      );
      await this.#change(rounds, { members });
    }
  }

  /** A member that joins is copied to; the others are not. */
  async #join({ sync, database: name, role }: Extract<Step, { readonly kind: 'join' }>): Promise<string> {
    const rounds = this.#roundsOf(sync);
    const database = this.#databases.get(name) as Database;
    const present = rounds.sync.members.flatMap((member) =>
      member.role === 'source' ? [member.database.name] : [],
    );
    const generation = rounds.sync.copyGeneration + 1;
    const request = { generation, database: database.id, relation: null, mode: 'replace' } as const;
    await this.#change(rounds, {
      members: [...rounds.sync.members, { database, role }],
      copyGeneration: generation,
      copies: [...rounds.sync.copies, request],
    });
    const there = role === 'source' ? [...present, name] : present;
    const outcome = (await rounds.roundOf(there, [name]))[name];
    if (outcome?.kind === 'bad') this.trouble(outcome.error);
    return outcome?.kind ?? '';
  }

  /** One round, with what is to happen in the middle of it. */
  async #round({ sync, present, written, during, fault }: RoundStep): Promise<string> {
    const rounds = this.#roundsOf(sync);
    const mine = new RoundLoans();
    const waiting = [...during];
    // Another worker is ahead: the source looks as if it had been set back, or a table that was empty has been filled.
    const isOvertaken = during.some(({ steps }) =>
      steps.some((step) => step.kind === 'round' && step.sync === sync),
    );
    const failure = (error: unknown): string =>
      isOvertaken &&
      (isReplicationError(error, 'position_lost') || isReplicationError(error, 'unique_conflict'))
        ? 'bad: overtaken'
        : this.#failure(error);
    let pending = fault;
    // The round fails as soon as its connections are gone, which is before the server is there again.
    let crash = Promise.resolve();
    const isAt = (place: Place, point: string, database: Database): boolean =>
      place.point === point && place.database === database.name;
    // A round in the middle of this one has its own.
    rounds.reached = async (point, database) => {
      const index = waiting.findIndex((place) => isAt(place, point, database));
      const [found] = index < 0 ? [] : waiting.splice(index, 1);
      if (found !== undefined) await this.#inTheMiddle(found.steps);
      if (pending === null || !isAt(pending, point, database)) return;
      const { how } = pending;
      pending = null;
      if (how === 'cut')
        return this.#arena.terminate(
          mine.on(database.id).map((session) => session.memory.get('pid') as string),
        );
      if (how === 'crash') {
        crash = this.#arena.crash();
        return crash;
      }
      if (how === 'kill') mine.destroyAll();
      throw broken();
    };
    try {
      const outcomes = await this.#borrowed.during(mine, () =>
        this.#watched(mine, rounds.roundOf(present, written)),
      );
      if (fault?.how === 'kill') rounds.forget();
      return Object.entries(outcomes)
        .map(([name, outcome]) => `${name} ${outcome.kind === 'bad' ? failure(outcome.error) : outcome.kind}`)
        .join(', ');
    } catch (error) {
      rounds.forget();
      return failure(error);
    } finally {
      rounds.reached = passOn;
      await crash;
    }
  }

  /** Ends a round that does not end by itself. */
  async #watched<T>(mine: RoundLoans, round: Promise<T>): Promise<T> {
    const timer = setTimeout(() => {
      this.trouble(new Error(`a round has not ended within ${roundTimeMaxMs} ms`));
      mine.destroyAll();
    }, roundTimeMaxMs);
    return round.finally(() => clearTimeout(timer));
  }

  async #inTheMiddle(steps: readonly Step[]): Promise<void> {
    this.#trace.push('  in the middle of the next round:');
    for (const step of steps) await this.step(step);
  }

  /** Its code; told of as a trouble when a round may not fail like that. */
  #failure(error: unknown): string {
    if (!isReplicationError(error)) {
      this.trouble(error);
      return 'bad: a bug';
    }
    if (!expectedFailures.has(error.code)) this.trouble(error);
    return `bad: ${error.code}`;
  }

  trouble(error: unknown): void {
    const text = isReplicationError(error) ? `${error.code}: ${error.message}` : errorText(error);
    this.#troubles.push(text);
    this.#trace.push(`trouble: ${text}`);
  }

  async #settle(): Promise<void> {
    for (const rounds of this.#rounds.values()) rounds.reached = passOn;
    await settleAll([...this.#rounds.values()]);
  }

  /** The writers have stopped. */
  async end(): Promise<void> {
    await this.#arena.endTransactions(this.#plan.databases);
    await this.#settle();
    if (await this.#decideOpenConflicts()) await this.#settle();
    this.#chronicles = await Promise.all(
      this.#plan.databases.map((name) =>
        readChronicle(this.#arena.application(name, 0), name, this.#plan.tables),
      ),
    );
  }

  /** As a person decides what the strategy has left open: any change that is made now goes to all databases. */
  async #decideOpenConflicts(): Promise<boolean> {
    const decided = new Set<string>();
    for (const { sync } of this.#rounds.values())
      for (const { role, database } of sync.members) {
        if (role !== 'source') continue;
        const application = this.#arena.application(database.name, 0);
        const open = await application.query(
          sql`select tbl, versions::text from tahr.conflict where winner is null and sync = ${sync.id}::uuid`,
        );
        for (const { tbl, versions } of open) {
          const relation = sync.relations.find(({ id }) => id === Number(tbl));
          const table = this.#plan.tables.find(({ name }) => name === relation?.relation.name);
          if (table === undefined) continue;
          const statement = decideFor(table, versions ?? '[]');
          if (!decided.has(statement)) await writeStep(application, ['begin', statement, 'commit']);
          decided.add(statement);
        }
      }
    return decided.size > 0;
  }

  #roundsOf(sync: string): SyncRounds {
    return this.#rounds.get(sync) as SyncRounds;
  }

  #definitions(): SyncDefinition[] {
    return [...this.#rounds.values()].map(({ sync }) => sync);
  }

  played(): Played {
    return {
      chronicles: this.#chronicles,
      trace: this.#trace,
      troubles: this.#troubles,
      syncs: [...this.#rounds].map(([name, { sync }]) => ({
        id: sync.id,
        eras: this.#eras.get(name) ?? [],
        tables: tablesOf(this.#plan.tables.map((table) => this.#relationOf(table.name, null))),
      })),
    };
  }
}

const withStrategy = (
  sync: SyncDefinition,
  { table, strategy }: { readonly table: string | null; readonly strategy: string },
): SyncDefinition =>
  table === null
    ? { ...sync, conflictStrategy: strategy }
    : {
        ...sync,
        relations: sync.relations.map((relation) =>
          relation.relation.name === table ? { ...relation, conflictStrategy: strategy } : relation,
        ),
      };
