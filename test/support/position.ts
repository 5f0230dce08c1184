/** Positions of tests, all of the same server. */
import type { Position } from '../../src/connectors/postgres/position.ts';
import type { DatabaseId } from '../../src/model/topology.ts';

/** @param xmax of its snapshot, in which nothing is in progress */
export const positionAt = (source: number, { seq, xmax }: { seq: bigint; xmax: bigint }): Position => ({
  source: source as DatabaseId,
  seq,
  snapshot: `${xmax}:${xmax}:`,
  lineage: {
    systemIdentifier: '1',
    timeline: 1,
    databaseOid: '1',
    incarnation: 1n,
    lsn: '0/0',
    startedAt: '2026-01-01 00:00:00+00',
  },
  copyGeneration: 0,
});
