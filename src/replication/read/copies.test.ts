import { expect, test } from 'vitest';
import { positionAt } from '../../../test/support/position.ts';
import { syncOf } from '../../../test/support/sync-definition.ts';
import type {
  CopyRequest,
  Database,
  DatabaseId,
  DatabaseName,
  Role,
  SyncRelation,
} from '../../model/topology.ts';
import { copiesDue, isBehindCopy } from './copies.ts';

const databaseOf = (id: number): Database => ({
  id: id as DatabaseId,
  name: `db${id}` as DatabaseName,
  status: 'active',
  parameters: {},
  makedelta: false,
});

const [a, b, c] = [databaseOf(1), databaseOf(2), databaseOf(3)];

const relationOf = (id: number, kind: SyncRelation['kind'] = 'table') =>
  ({ id, kind, isGhost: id === 6 }) as unknown as SyncRelation;

const syncWith = (...copies: readonly Partial<CopyRequest>[]) =>
  syncOf({
    members: ([a, b, c] as const).map((database) => ({ database, role: 'source' as Role })),
    relations: [relationOf(6), relationOf(7), relationOf(8), relationOf(9, 'sequence')],
    copies: copies.map((one) => ({ generation: 1, database: null, relation: null, mode: 'fill', ...one })),
  });

/** Where the database has come to with each of the others. */
const at = (...generations: readonly number[]) =>
  generations.map((copyGeneration, index) => ({
    ...positionAt(index + 2, { seq: 1n, xmax: 5n }),
    copyGeneration,
  }));

const due = (sync: ReturnType<typeof syncWith>, database: Database, ...generations: readonly number[]) =>
  Object.fromEntries(copiesDue(sync, database, at(...generations)));

test('nothing is due that was not asked for, or that a database has already', () => {
  expect(due(syncWith(), b, 0)).toEqual({});
  expect(due(syncWith({}), b, 1)).toEqual({});
});

test('a copy of everything is of all tables and for all but the first source', () => {
  expect(due(syncWith({ mode: 'replace' }), b, 0)).toEqual({ 7: 'replace', 8: 'replace' });
  expect(due(syncWith({ mode: 'replace' }), a, 0)).toEqual({});
});

test('a copy for one database, or of one table, is for no other', () => {
  const sync = syncWith({ database: b.id }, { relation: relationOf(8).id });
  expect(due(sync, b, 0)).toEqual({ 7: 'fill', 8: 'fill' });
  expect(due(sync, c, 0)).toEqual({ 8: 'fill' });
});

test('a copy of everything passes over tables that are ghosts', () => {
  expect(due(syncWith({ relation: relationOf(6).id }), b, 0)).toEqual({ 6: 'fill' });
});

test('of several that were asked for, to replace what is there counts', () => {
  const sync = syncWith({ generation: 2 }, { generation: 3, relation: relationOf(8).id, mode: 'replace' });
  expect(due(sync, b, 1)).toEqual({ 7: 'fill', 8: 'replace' });
  expect(due(sync, b, 2)).toEqual({ 8: 'replace' });
});

test('the position that is furthest behind tells what is due', () => {
  expect(due(syncWith({}), b, 1, 0)).toEqual({ 7: 'fill', 8: 'fill' });
});

test('whom a copy does not concern takes note of it', () => {
  const sync = syncWith({ database: b.id });
  expect(isBehindCopy(sync, at(0))).toBe(true);
  expect(isBehindCopy(sync, at(1))).toBe(false);
});
