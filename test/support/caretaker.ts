/** The maintenance of the daemon, when the test says so: as if enough time had passed for segments to be rotated. */
import { Maintenance } from '../../src/daemon/maintenance.ts';
import type { SyncDefinition } from '../../src/model/topology.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { Log } from '../../src/runtime/log.ts';
import type { Site } from './site.ts';

export interface Caretaker {
  /** One pass while only these databases are there. */
  run(syncs: readonly SyncDefinition[], present: readonly string[]): Promise<void>;
}

export const createCaretaker = ({ databases, borrow }: Pick<Site, 'databases' | 'borrow'>): Caretaker => {
  let now = 0;
  let up = new Set<string>();
  const maintenance = new Maintenance({
    schema: 'tahr',
    isHeld: () => true,
    clock: { ...systemClock, elapsed: () => now },
    log: silent,
    databases: {
      borrow,
      isUp: (id) => [...databases.values()].some((database) => database.id === id && up.has(database.name)),
    },
  });
  return {
    async run(syncs, present) {
      up = new Set(present);
      now += 100_000;
      await maintenance.run(syncs);
    },
  };
};

const silent: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => silent,
};
