import { expect, test } from 'vitest';
import { positionAt } from '../../test/support/position.ts';
import { syncOf } from '../../test/support/sync-definition.ts';
import type { Position } from '../connectors/postgres/position.ts';
import type { Database, DatabaseId, DatabaseName, Role, SyncDefinition } from '../model/topology.ts';
import { acknowledgementsOf, readersOf } from './acknowledgements.ts';

const database = (id: number): Database => ({
  id: id as DatabaseId,
  name: `d${id}` as DatabaseName,
  parameters: {},
  status: 'active',
  makedelta: false,
});

const syncWith = (...roles: readonly Role[]): SyncDefinition =>
  syncOf({
    members: roles.map((role, index) => ({ role, database: database(index + 1) })),
    relations: [],
  });

const at = (source: number, xmax: number): Position => positionAt(source, { seq: 1n, xmax: BigInt(xmax) });

const acknowledged = (sync: SyncDefinition, positions: Readonly<Record<number, readonly Position[]>>) =>
  acknowledgementsOf(
    sync,
    new Map(Object.entries(positions).map(([id, held]) => [Number(id) as DatabaseId, held])),
  ).map(({ reader, position }) => `${reader} has read ${position.source} up to ${position.snapshot}`);

test('sources are asked before targets', () => {
  const readers = readersOf(syncWith('target', 'source', 'fullcopy', 'source'));
  expect(readers.map(({ database: { id } }) => id)).toEqual([2, 4, 1]);
});

test('a source acknowledges its own positions, and a target of the only source too', () => {
  expect(acknowledged(syncWith('source', 'source'), { 1: [at(2, 20)], 2: [at(1, 10)] })).toEqual([
    '1 has read 2 up to 20:20:',
    '2 has read 1 up to 10:10:',
  ]);
  expect(acknowledged(syncWith('source', 'target'), { 2: [at(1, 10)] })).toEqual([
    '2 has read 1 up to 10:10:',
  ]);
});

test('a target acknowledges no more of a source than all other sources know', () => {
  const sync = syncWith('source', 'source', 'source', 'target');
  const sources = { 1: [at(2, 20), at(3, 30)], 2: [at(1, 10), at(3, 35)], 3: [at(1, 11), at(2, 19)] };
  expect(acknowledged(sync, { ...sources, 4: [at(1, 15), at(2, 25), at(3, 29)] }).slice(-3)).toEqual([
    '4 has read 1 up to 10:10:',
    '4 has read 2 up to 19:19:',
    '4 has read 3 up to 29:29:',
  ]);
});

test('a target acknowledges nothing of a source while another one cannot be asked', () => {
  const sync = syncWith('source', 'source', 'target');
  expect(acknowledged(sync, { 1: [at(2, 20)], 3: [at(1, 15), at(2, 15)] })).toEqual([
    '1 has read 2 up to 20:20:',
    '3 has read 2 up to 15:15:',
  ]);
});
