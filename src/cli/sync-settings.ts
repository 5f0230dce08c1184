/** The settings of a sync, as `add sync` and `update sync` take them. */
import { connectionStatuses, sequenceModes } from '../model/topology.ts';
import { key } from './grammar/settings.ts';
import { boolean, choice, intervalMs, list, namedRoles, oneTimeCopy, text } from './grammar/values.ts';

export const syncKeys = {
  relgroup: key(text, 'the relgroup that is replicated', ['herd']),
  tables: key(list, 'tables and sequences instead: A,shop.B,"C d",shop.*', ['table', 'tabs']),
  dbgroup: key(text, 'the dbgroup that it is replicated among', ['dbg']),
  dbs: key(
    namedRoles,
    'databases with roles instead: A:source,B:source,C:target; the first is a source by itself',
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
  autokick: key(boolean, 'on (default): run as soon as a source reports changes', ['ping']),
  checktime: key(intervalMs, 'run at least this often: 30s, "5 minutes", none (default)'),
  status: key(choice(connectionStatuses), 'active (default) or inactive'),
  makedelta: key(boolean, 'on or off for each of its tables: capture again what Tahr writes'),
};
