import { expect, test } from 'vitest';
import {
  type DatabaseId,
  type DatabaseName,
  type RelationId,
  type Role,
  type SyncDefinition,
  type SyncId,
  type SyncName,
  type SyncRelation,
} from '../model/topology.ts';
import { plainRelation, syncOf } from '../../test/support/sync-definition.ts';
import { checkCascades } from './check-cascades.ts';

const table = (name: string, makedelta: boolean | null = null): SyncRelation => ({
  ...plainRelation,
  id: name.charCodeAt(0) as RelationId,
  relation: { schema: 'public', name },
  makedelta,
});

/** Databases in capitals have makedelta on. */
const sync = (
  name: string,
  roles: Readonly<Record<string, Role>>,
  relations: readonly SyncRelation[] = [table('items')],
): SyncDefinition =>
  syncOf({
    id: name as SyncId,
    name: name as SyncName,
    members: Object.entries(roles).map(([database, role]) => ({
      role,
      database: {
        id: database.toLowerCase().charCodeAt(0) as DatabaseId,
        name: database as DatabaseName,
        status: 'active',
        parameters: {},
        makedelta: database !== database.toLowerCase(),
      },
    })),
    relations,
  });

const messages = (definition: SyncDefinition, ...others: SyncDefinition[]): string[] =>
  checkCascades(definition, [definition, ...others]).map(({ error }) => error.message);

const note =
  'b does not hand on to c by sync "bc" what sync "ab" brings to public.items: makedelta is off there.';

test('a chain without makedelta in the middle is told, whichever sync is looked at', () => {
  const ab = sync('ab', { a: 'source', b: 'target' });
  const bc = sync('bc', { b: 'source', c: 'target' });
  expect(messages(ab, bc)).toEqual([note]);
  expect(messages(bc, ab)).toEqual([note]);
});

test('a chain both ways is told of in both directions', () => {
  const ab = sync('ab', { a: 'source', b: 'source' });
  expect(messages(ab, sync('bc', { b: 'source', c: 'source' }))).toEqual([
    'b does not hand on to a by sync "ab" what sync "bc" brings to public.items: makedelta is off there.',
    note,
  ]);
});

test('nothing is told where changes go on, or have nowhere to go', () => {
  const ab = sync('ab', { a: 'source', B: 'target' });
  expect(messages(ab, sync('bc', { B: 'source', c: 'target' }))).toEqual([]);
  expect(messages(ab, sync('ba', { B: 'source', a: 'target' }))).toEqual([]);
  expect(
    messages(sync('ab', { a: 'source', b: 'target' }), sync('ac', { a: 'source', c: 'target' })),
  ).toEqual([]);
  const back = sync('ba', { b: 'source', a: 'target' });
  expect(messages(sync('ab', { a: 'source', b: 'target' }), back)).toEqual([]);
});

test('a table is heard before its database, and many are counted', () => {
  const on = [table('items', true)];
  const roles = [
    { a: 'source', b: 'target' },
    { b: 'source', c: 'target' },
  ] as const;
  expect(messages(sync('ab', roles[0], on), sync('bc', roles[1], on))).toEqual([]);
  const many = ['p', 'q', 'r', 's', 't'].map((name) => table(name));
  expect(messages(sync('ab', roles[0], many), sync('bc', roles[1], many))[0]).toContain(
    'public.p, public.q, public.r and 2 more',
  );
});

test('syncs with other tables, and those that are inactive, have nothing to do with it', () => {
  const ab = sync('ab', { a: 'source', b: 'target' });
  const bc = sync('bc', { b: 'source', c: 'target' });
  expect(messages(ab, { ...bc, relations: [table('others')] })).toEqual([]);
  expect(messages(ab, { ...bc, status: 'inactive' })).toEqual([]);
});
