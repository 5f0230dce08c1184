/** Syncs of tests. */
import { randomUUID } from 'node:crypto';
import type { NewSync } from '../../src/control/sync.ts';
import {
  type CopyRequest,
  noOverrides,
  type SyncDefinition,
  type SyncId,
  type SyncName,
  type SyncRelation,
} from '../../src/model/topology.ts';

/** What is said of a sync that is added when nothing is said. */
export const plainSync = {
  status: 'active',
  conflictStrategy: 'bucardo_latest',
  sequence: 'highest',
  autokick: true,
  checktimeMs: null,
  overdueMs: null,
  expiredMs: null,
  analyzeAfterCopy: true,
  vacuumAfterCopy: false,
  rebuildIndex: false,
  strictChecking: false,
  deleteMethod: 'delete',
  cron: null,
  onetimecopy: 0,
} as const satisfies Omit<NewSync, 'name' | 'relgroup' | 'dbgroup'>;

/** A sync with these members and relations; the rest as it is when nothing is said. */
export const syncOf = (
  settings: Pick<SyncDefinition, 'members' | 'relations'> & Partial<SyncDefinition>,
): SyncDefinition => ({
  ...plainSync,
  id: randomUUID() as SyncId,
  name: 'test' as SyncName,
  isPaused: false,
  relgroup: 'test',
  dbgroup: 'test',
  cronSince: null,
  copyGeneration: 0,
  copies: copiesOf(settings),
  ...settings,
});

/** A table of which nothing is said. */
export const plainRelation = {
  kind: 'table',
  customNames: [],
  customCols: [],
  filters: [],
  keyIndex: null,
  conflictStrategy: null,
  makedelta: null,
  isGhost: false,
  merge: null,
  overrides: noOverrides,
} as const satisfies Omit<SyncRelation, 'id' | 'relation'>;

/** What `onetimecopy` asks for, given with a new `copyGeneration`. */
export const copiesOf = ({
  onetimecopy = 0,
  copyGeneration = 0,
}: Partial<Pick<SyncDefinition, 'onetimecopy' | 'copyGeneration'>>): CopyRequest[] =>
  onetimecopy === 0
    ? []
    : [
        {
          generation: copyGeneration,
          database: null,
          relation: null,
          mode: onetimecopy === 1 ? 'replace' : 'fill',
        },
      ];
