/** The settings of a sync, as `add sync` and `update sync` take them. */
import type { Say } from './change.ts';
import { connectionStatuses, deleteMethods, sequenceModes } from '../model/topology.ts';
import { queueKeys } from './queue-settings.ts';
import { key, type Keys, type Settings } from './grammar/settings.ts';
import {
  anyText,
  boolean,
  choice,
  cron,
  intervalMs,
  list,
  namedRoles,
  oneTimeCopy,
  text,
} from './grammar/values.ts';

/** Settings of Bucardo for which there is nothing to set here, and why. Scripts may go on giving them. */
const withoutEffect = {
  stayalive: 'a daemon keeps all of its syncs at work',
  kidsalive: 'sessions stay open for as long as they are used',
  lifetime: 'there is no process for each sync that would have to be renewed',
  maxkicks: 'there is no process for each sync that would have to be renewed',
  isolation_level: 'rounds read in one snapshot, and lock what they decide about',
  copyextra: 'rows travel in a form that both servers are known to understand',
  priority: 'syncs run beside each other; tables and databases have an order',
  track_rates: 'what rounds bring is always counted: `tahr status SYNC`',
} as const;

const ignoredKeys = Object.fromEntries(
  Object.entries(withoutEffect).map(([name, reason]) => [
    name,
    key(anyText, `without effect: ${reason}`, name === 'isolation_level' ? ['txnmode'] : []),
  ]),
) as Record<keyof typeof withoutEffect, ReturnType<typeof key<string>>> & Keys;

/** Says of what was given and changes nothing why it does not. */
export const sayIgnored = (settings: Settings<typeof ignoredKeys>, say: Say): void => {
  for (const [name, reason] of Object.entries(withoutEffect))
    if (Object.hasOwn(settings, name)) say(`  Note: ${name} has no effect: ${reason}.`);
};

export const syncKeys = {
  relgroup: key(text, 'the relgroup that is replicated', ['herd']),
  tables: key(list, 'tables and sequences instead: A,shop.B,"C d",shop.*', ['table', 'tabs']),
  dbgroup: key(text, 'the dbgroup that it is replicated among', ['dbg']),
  dbs: key(
    namedRoles,
    'databases with roles instead: A:source,B:source,C:target,D:fullcopy; the first is a source by itself',
    ['databases'],
  ),
  conflict_strategy: key(
    text,
    'bucardo_latest (default), bucardo_abort, or sources in order of preference: "B A"',
    ['conflict', 'standard_conflict'],
  ),
  sequence: key(
    choice(sequenceModes),
    'highest (default): the furthest value goes everywhere; interleave: no two sources draw the same value',
  ),
  onetimecopy: key(
    oneTimeCopy,
    '0 none (default), 1 copy the first source over all others once, 2 only into empty tables',
  ),
  analyze_after_copy: key(boolean, 'on (default): ANALYZE tables that were copied'),
  vacuum_after_copy: key(boolean, 'on: VACUUM tables that were copied; off is the default'),
  rebuild_index: key(boolean, 'on: REINDEX tables that were copied; off is the default'),
  strict_checking: key(
    boolean,
    'on: refuse columns that differ in order, default or NOT NULL, or that only a target has; off is the default',
  ),
  deletemethod: key(
    choice(deleteMethods),
    'how tables are emptied in the role fullcopy: delete (default), truncate, truncate_cascade',
  ),
  autokick: key(boolean, 'on (default): run as soon as a source reports changes', ['ping']),
  checktime: key(intervalMs, 'run at least this often: 30s, "5 minutes", none (default)'),
  cron: key(
    cron,
    'run at these times, by the clock and time zone of the daemon: "0 3 * * *", none (default)',
  ),
  overdue: key(intervalMs, 'changes that wait for longer are late, which `status` says: 5m, none (default)'),
  expired: key(intervalMs, 'and then very late: 1h, none (default)'),
  status: key(choice(connectionStatuses), 'active (default) or inactive'),
  ...queueKeys,
  makedelta: key(boolean, 'on or off for each of its tables: capture again what Tahr writes'),
  ...ignoredKeys,
};
