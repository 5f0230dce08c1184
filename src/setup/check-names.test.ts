import { expect, test } from 'vitest';
import {
  type CustomName,
  type Database,
  type DatabaseId,
  type DatabaseName,
  type Member,
  type RelationId,
  type SyncId,
  type SyncName,
  type SyncRelation,
} from '../model/topology.ts';
import { plainRelation, syncOf } from '../../test/support/sync-definition.ts';
import { checkNames } from './check-names.ts';

const database = (id: number, name: string): Database => ({
  id: id as DatabaseId,
  name: name as DatabaseName,
  status: 'active',
  parameters: {},
  makedelta: false,
});
const [a, b] = [database(1, 'A'), database(2, 'B')];

const relation = (id: number, name: string, ...customNames: CustomName[]): SyncRelation => ({
  ...plainRelation,
  id: id as RelationId,
  relation: { schema: 'public', name },
  customNames,
});
const called = (name: string, on: Database): CustomName => ({
  database: on.id,
  relation: { schema: 'public', name },
});

const sync = (name: string, roles: readonly [Member['role'], Member['role']], relations: SyncRelation[]) =>
  syncOf({
    id: name as SyncId,
    name: name as SyncName,
    members: [
      { database: a, role: roles[0] },
      { database: b, role: roles[1] },
    ],
    relations,
  });

const messages = (...args: Parameters<typeof checkNames>): string[] =>
  checkNames(...args).map(({ error }) => error.message);

test('two relations of a sync must not be one table on a database', () => {
  const one = sync(
    'one',
    ['source', 'target'],
    [relation(1, 'items', called('things', b)), relation(2, 'things')],
  );
  expect(messages(one, [one])).toEqual([
    'public.things on B would be public.items and public.things at once.',
  ]);
});

test('a table of a source has one name in all syncs; on a target it may have several', () => {
  const plain = sync('plain', ['source', 'source'], [relation(1, 'items')]);
  const onTarget = sync('other', ['source', 'target'], [relation(1, 'items', called('things', b))]);
  const onSource = sync('other', ['target', 'source'], [relation(1, 'items', called('things', b))]);
  expect(messages(onTarget, [plain, onTarget])).toEqual([]);
  expect(messages(onSource, [plain, onSource])).toEqual([
    'public.things on B is called public.items in sync "plain", and the changes of a source are captured once for all syncs.',
  ]);
  expect(messages(plain, [plain, onSource])).toHaveLength(1);
});
