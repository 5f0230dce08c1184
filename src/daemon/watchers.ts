/** One watch for each source database that an active sync reads, whatever the number of syncs. */
import { createWatch, type Watch, type WatchState } from '../connectors/postgres/watch.ts';
import type { Database, DatabaseId, RelationId } from '../model/topology.ts';
import { connect } from '../pg/conninfo.ts';
import type { Clock } from '../runtime/clock.ts';
import { isReplicationError } from '../model/errors.ts';
import type { Log } from '../runtime/log.ts';

export interface WatchersOptions {
  readonly schema: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** See `DatabasesOptions`. */
  readonly applicationName: string;
  /** The connection of the watch was made or lost: a good moment to look whether the database is there. */
  readonly onState: (database: DatabaseId) => void;
  readonly onChange: (database: DatabaseId, tables: ReadonlySet<RelationId> | 'all') => void;
}

/** A look takes milliseconds, and some seconds after very much was written. */
const answerWithinMs = 30_000;

interface Watched {
  readonly parameters: string;
  readonly watch: Watch;
  /** Why it cannot watch; null: it does, or has not tried yet. */
  problem: unknown;
}

export class Watchers {
  readonly #options: WatchersOptions;
  readonly #watched = new Map<DatabaseId, Watched>();

  constructor(options: WatchersOptions) {
    this.#options = options;
  }

  /** These and no others. */
  async use(databases: readonly Database[]): Promise<void> {
    const wanted = new Map(databases.map((database) => [database.id, database]));
    const ended = [...this.#watched].filter(([id, { parameters }]) => {
      const database = wanted.get(id);
      return database === undefined || parametersOf(database) !== parameters;
    });
    for (const [id] of ended) this.#watched.delete(id);
    await Promise.all(ended.map(([, { watch }]) => watch.stop()));
    for (const database of wanted.values()) {
      if (!this.#watched.has(database.id)) await this.#begin(database);
    }
  }

  /** Null while the changes of the database are told of. */
  problemOf(id: DatabaseId): unknown {
    return this.#watched.get(id)?.problem ?? null;
  }

  /** The database answers again: no use in waiting. */
  hurry(id: DatabaseId): void {
    this.#watched.get(id)?.watch.hurry();
  }

  async #begin(database: Database): Promise<void> {
    const { schema, clock, random, onChange, applicationName } = this.#options;
    const watch = createWatch({
      schema,
      clock,
      random,
      connect: () => connect(database.parameters, { label: database.name, applicationName, answerWithinMs }),
      onChange: (tables) => onChange(database.id, tables),
      onState: (state, error) => this.#enter(database, state, error),
    });
    this.#watched.set(database.id, { parameters: parametersOf(database), watch, problem: null });
    await watch.start();
  }

  #enter({ id, name }: Database, state: WatchState, error: unknown): void {
    const { log, onState } = this.#options;
    const isBug = error !== null && !isReplicationError(error);
    log[isBug ? 'error' : 'debug']('watch', { database: name, state, ...(isBug ? { error } : {}) });
    const watched = this.#watched.get(id);
    if (state === 'idle' || watched === undefined) return;
    watched.problem = error;
    onState(id);
  }
}

const parametersOf = ({ parameters }: Database): string => JSON.stringify(parameters);
