import { expect, test } from 'vitest';
import { judgeLineage, type Lineage, type StoredLineage } from './lineage.ts';

const stored: StoredLineage = {
  systemIdentifier: '7400000000000000001',
  timeline: 1,
  databaseOid: '16384',
  incarnation: 5n,
  xmax: 1000n,
};
const seen: Lineage = {
  ...stored,
  xmax: 2000n,
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

test('a promoted standby is rewound even when its transaction ids are ahead', () => {
  expect(judgeLineage(stored, { ...seen, timeline: 2 })).toBe('rewound');
});

test('a storage snapshot that was rolled back is rewound', () => {
  expect(judgeLineage(stored, { ...seen, xmax: 999n })).toBe('rewound');
  expect(judgeLineage(stored, { ...seen, incarnation: 4n })).toBe('rewound');
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
