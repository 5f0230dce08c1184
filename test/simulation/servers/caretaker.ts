/** The maintenance of the daemon, when the script says so: as if enough time had passed for segments to be rotated. */
import type { SyncDefinition } from '../../../src/model/topology.ts';
import { Maintenance } from '../../../src/daemon/maintenance.ts';
import type { Log } from '../../../src/runtime/log.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import type { Arena } from './arena.ts';

interface Caretaker {
  /** One pass while only these databases are there. */
  run(syncs: readonly SyncDefinition[], present: readonly string[]): Promise<void>;
}

export const createCaretaker = (arena: Arena): Caretaker => {
  let now = 0;
  let up = new Set<string>();
  const maintenance = new Maintenance({
    schema: 'tahr',
    isHeld: () => true,
    clock: { ...systemClock, elapsed: () => now },
    log: silent,
    databases: {
      borrow: arena.borrow,
      isUp: (id) =>
        [...arena.databases.values()].some((database) => database.id === id && up.has(database.name)),
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
