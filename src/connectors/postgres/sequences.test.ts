import { expect, test } from 'vitest';
import { advanceSequence, furthestSequences, type SequenceValue } from './sequences.ts';

const value = (lastValue: number, change: Partial<SequenceValue> = {}): SequenceValue => ({
  relation: { schema: 'public', name: 's' },
  lastValue: BigInt(lastValue),
  isCalled: true,
  increment: 1n,
  minimum: 1n,
  maximum: 2000n,
  isCyclic: false,
  cache: 1n,
  ...change,
});

test('of three sources the furthest value of each sequence is taken', () => {
  const down = { increment: -1n };
  const lists = [
    [value(5), value(50, down)],
    [value(9), value(70, down)],
    [value(7), value(30, down)],
  ];
  expect(furthestSequences(lists).map(({ lastValue }) => lastValue)).toEqual([9n, 30n]);
  expect(furthestSequences([])).toEqual([]);
});

const drawn = (count: number) =>
  `select count(pg_catalog.nextval('"public"."s"'::regclass)) from pg_catalog.generate_series(1, '${count}'::bigint)`;
const set = (to: number, isCalled = true) =>
  `select pg_catalog.setval('"public"."s"'::regclass, '${to}'::bigint, '${isCalled}'::boolean) from "public"."s" s where `;
const between = (low: number, high: number) => `s.last_value between '${low}'::bigint and '${high}'::bigint`;
const cycle = { isCyclic: true };

test.each([
  ['a short way is drawn', value(5), value(9), drawn(4)],
  ['a short way across the wrap is drawn', value(1998, cycle), value(3, cycle), drawn(5)],
  ['a long way is set', value(5), value(1006), set(1006) + between(5, 1006)],
  [
    'a long way across the wrap is set',
    value(1900, cycle),
    value(901, cycle),
    `${set(901)}(s.last_value <= '901'::bigint or s.last_value >= '1900'::bigint)`,
  ],
  [
    'a long way downwards is set',
    value(1900, { increment: -1n }),
    value(5, { increment: -1n }),
    set(5) + between(5, 1900),
  ],
  ['a value that drawing steps over is set', value(5, { increment: 2n }), value(8), set(8) + between(5, 8)],
  [
    'what sessions have drawn ahead is not drawn again',
    value(5, { cache: 10n }),
    value(9),
    set(9) + between(5, 9),
  ],
  [
    'a value that was not drawn yet is set',
    value(5, { isCalled: false }),
    value(9, { isCalled: false }),
    set(9, false) + between(5, 9),
  ],
])('%s', (_, own, wanted, statement) => {
  expect(advanceSequence(own, wanted).inlined()).toBe(statement);
});
