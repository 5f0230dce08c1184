import { expect, test } from 'vitest';
import { judgeLineage, type Lineage, type StoredLineage } from './lineage.ts';

const stored: StoredLineage = {
  systemIdentifier: '7400000000000000001',
  timeline: 1,
  databaseOid: '16384',
  incarnation: 5n,
  xmax: 1000n,
  lsn: '0/3000100',
  startedAt: '2026-01-01 00:00:00+00',
};
const seen: Lineage = {
  ...stored,
  xmax: 2000n,
  lsn: '0/4000000',
  begunAt: '0/2000000',
  history: new Map(),
  isPhysicalCopy: true,
  isInRecovery: false,
  maxPreparedTransactions: 0,
};

test('the same server goes on where it was', () => {
  expect(judgeLineage(stored, seen)).toBe('same');
  expect(judgeLineage(stored, { ...seen, incarnation: 9n })).toBe('same');
});

test('pg_upgrade keeps positions, whatever it renumbers', () => {
  const upgraded = { ...seen, systemIdentifier: '7500000000000000002', databaseOid: '5', timeline: 1 };
  expect(judgeLineage({ ...stored, timeline: 3 }, upgraded)).toBe('upgraded');
});

test('a promoted standby that had all that the position saw goes on', () => {
  const promoted = { ...seen, timeline: 3, history: new Map([[1, 0x3000100n]]) };
  expect(judgeLineage(stored, promoted)).toBe('promoted');
});

test('a promoted standby that missed the end is rewound even when its transaction ids are ahead', () => {
  const promoted = { ...seen, timeline: 2, history: new Map([[1, 0x30000ffn]]) };
  expect(judgeLineage(stored, promoted)).toBe('rewound');
});

test('a server that never went through the timeline of the position is rewound', () => {
  const other = { ...seen, timeline: 3, history: new Map([[1, 0x3500000n]]) };
  expect(judgeLineage({ ...stored, timeline: 2 }, other)).toBe('rewound');
});

test('without its history nothing can be said of a promoted server', () => {
  expect(judgeLineage(stored, { ...seen, timeline: 2, history: null })).toBe('unproven');
});

test('a server that was restarted has not lost what it had flushed', () => {
  const restarted = { ...seen, startedAt: '2026-01-02 00:00:00+00', begunAt: '0/3000100' };
  expect(judgeLineage(stored, restarted)).toBe('same');
});

test('a server that began again before the position is rewound even when its log and its transaction ids are ahead', () => {
  const restarted = { ...seen, startedAt: '2026-01-02 00:00:00+00', begunAt: '0/30000FF' };
  expect(judgeLineage(stored, restarted)).toBe('rewound');
});

test('a storage snapshot that was rolled back is rewound', () => {
  expect(judgeLineage(stored, { ...seen, xmax: 999n })).toBe('rewound');
  expect(judgeLineage(stored, { ...seen, incarnation: 4n })).toBe('rewound');
  expect(judgeLineage(stored, { ...seen, lsn: '0/3000000' })).toBe('rewound');
});

test('a database made from a template is a clone', () => {
  expect(judgeLineage(stored, { ...seen, databaseOid: '16999' })).toBe('cloned');
});

test('dump and restore make a database of its own, also on the same server', () => {
  expect(judgeLineage(stored, { ...seen, isPhysicalCopy: false, databaseOid: '16999' })).toBe('restored');
});

test('a standby is no source', () => {
  expect(judgeLineage(stored, { ...seen, isInRecovery: true })).toBe('standby');
});
