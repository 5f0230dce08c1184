/** One watch for each source database that an active sync reads, whatever the number of syncs. */
import { createWatch } from '../connectors/postgres/watch.ts';
import type { Database, DatabaseId, RelationId } from '../model/topology.ts';
import { connect } from '../pg/conninfo.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { Service } from '../runtime/service.ts';

export interface WatchersOptions {
  readonly schema: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** The connection of the watch was made or lost: a good moment to look whether the database is there. */
  readonly onState: (database: DatabaseId) => void;
  readonly onChange: (database: DatabaseId, tables: ReadonlySet<RelationId> | 'all') => void;
}

interface Watched {
  readonly parameters: string;
  readonly watch: Service;
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

  async #begin(database: Database): Promise<void> {
    const { schema, clock, random, log, onChange, onState } = this.#options;
    const watch = createWatch({
      schema,
      clock,
      random,
      connect: () => connect(database.parameters, { label: database.name, applicationName: 'tahr watch' }),
      onChange: (tables) => onChange(database.id, tables),
      onState: (state) => {
        log.debug('watch', { database: database.name, state });
        if (state !== 'idle') onState(database.id);
      },
    });
    this.#watched.set(database.id, { parameters: parametersOf(database), watch });
    await watch.start();
  }
}

const parametersOf = ({ parameters }: Database): string => JSON.stringify(parameters);
