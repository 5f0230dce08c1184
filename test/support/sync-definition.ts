/** Syncs of tests. */
import { randomUUID } from 'node:crypto';
import type { NewSync } from '../../src/control/sync.ts';
import type { CopyRequest, SyncDefinition, SyncId, SyncName } from '../../src/model/topology.ts';

/** A sync with these members and relations; the rest as it is when nothing is said. */
export const syncOf = (
  settings: Pick<SyncDefinition, 'members' | 'relations'> & Partial<SyncDefinition>,
): SyncDefinition => ({
  id: randomUUID() as SyncId,
  name: 'test' as SyncName,
  status: 'active',
  isPaused: false,
  relgroup: 'test',
  dbgroup: 'test',
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
  cronSince: null,
  onetimecopy: 0,
  copyGeneration: 0,
  copies: copiesOf(settings),
  ...settings,
});

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
