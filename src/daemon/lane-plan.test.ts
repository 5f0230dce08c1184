import { expect, test } from 'vitest';
import type { DatabaseId, DatabaseName, Member, Role, SyncDefinition } from '../model/topology.ts';
import { syncOf } from '../../test/support/sync-definition.ts';
import { type LanePlan, planLanes, presenceOf } from './lane-plan.ts';

const member = (name: string, role: Role, status: 'active' | 'inactive' = 'active'): Member => ({
  role,
  database: {
    id: name.charCodeAt(0) as DatabaseId,
    name: name as DatabaseName,
    status,
    parameters: {},
    makedelta: false,
  },
});

const sync = (...members: Member[]): SyncDefinition => syncOf({ members, relations: [] });

const [a, b, c, d] = [
  member('A', 'source'),
  member('B', 'source'),
  member('C', 'target'),
  member('D', 'target'),
];
const shown = (lanes: readonly LanePlan[]): string[] =>
  lanes.map(({ kind, written, readers }) => {
    const names = (members: readonly Member[]) => members.map(({ database }) => database.name).join('');
    return `${kind} ${names(readers)}>${names(written)}`;
  });
const up =
  (...members: Member[]) =>
  (id: DatabaseId) =>
    members.some(({ database }) => database.id === id);

test('one source has a lane for each target', () => {
  expect(shown(planLanes(sync(a, c, d)))).toEqual(['target A>C', 'target A>D']);
});

test('several sources are one lane, and each target reads them all', () => {
  expect(shown(planLanes(sync(a, b, c)))).toEqual(['gang AB>AB', 'target AB>C']);
});

test('an inactive database takes no part', () => {
  expect(shown(planLanes(sync(a, member('B', 'source', 'inactive'), c)))).toEqual(['target A>C']);
  expect(planLanes(sync(member('A', 'source', 'inactive'), c))).toEqual([]);
});

test('a target goes on with the sources that are there', () => {
  const [, lane] = planLanes(sync(a, b, c)) as [LanePlan, LanePlan];
  expect(presenceOf(lane, up(b, c))).toEqual({ kind: 'present', sources: [b], written: [c] });
  expect(presenceOf(lane, up(c))).toEqual({ kind: 'missing', member: a });
  expect(presenceOf(lane, up(a, b))).toEqual({ kind: 'missing', member: c });
});

test('two sources that are there are enough for their lane, one is not', () => {
  const third = member('E', 'source');
  const [lane] = planLanes(sync(a, b, third)) as [LanePlan];
  expect(presenceOf(lane, up(a, third))).toEqual({
    kind: 'present',
    sources: [a, third],
    written: [a, third],
  });
  expect(presenceOf(lane, up(third))).toEqual({ kind: 'missing', member: a });
  expect(presenceOf(lane, up())).toEqual({ kind: 'missing', member: a });
});
