import { expect, test } from 'vitest';
import { drawsBetween, firstCongruent, furthest, isFurther, type SequencePoint } from './sequence-order.ts';

const point = (lastValue: bigint | number, change: Partial<SequencePoint> = {}): SequencePoint => ({
  lastValue: BigInt(lastValue),
  isCalled: true,
  increment: 1n,
  minimum: 1n,
  maximum: 2n ** 63n - 1n,
  isCyclic: false,
  ...change,
});
const down = { increment: -1n, minimum: -(2n ** 63n), maximum: -1n };
const cycle = { isCyclic: true, maximum: 100n };
const cycleDown = { ...cycle, increment: -1n };
/** All values that eight bytes can hold. */
const widest = { isCyclic: true, minimum: -(2n ** 63n), maximum: 2n ** 63n - 1n };
const values = (points: readonly SequencePoint[]): bigint[] => points.map(({ lastValue }) => lastValue);

test.each([
  ['a higher value', point(8), point(7)],
  ['the same value that was drawn, against one that is next', point(7), point(7, { isCalled: false })],
  ['a lower value, of a descending sequence', point(-8, down), point(-7, down)],
  ['a higher value of a cycle', point(8, cycle), point(7, cycle)],
  ['a value after the wrap', point(3, cycle), point(98, cycle)],
  ['a value after the wrap, of a descending cycle', point(98, cycleDown), point(3, cycleDown)],
  ['a lower value of a descending cycle', point(7, cycleDown), point(8, cycleDown)],
  [
    'a drawn value of a cycle, against the start of a new database',
    point(96, cycle),
    point(1, { ...cycle, isCalled: false }),
  ],
  ['the value one below half round', point(50, cycle), point(1, cycle)],
  ['exactly half round, the higher value', point(51, cycle), point(1, cycle)],
  ['a value after the wrap of the widest range', point(-(2n ** 63n), widest), point(2n ** 63n - 1n, widest)],
  ['a value of the widest range', point(2n ** 62n, widest), point(-1, widest)],
])('%s is further', (_, one, other) => {
  expect(isFurther(one, other)).toBe(true);
  expect(isFurther(other, one)).toBe(false);
});

test('of two different values of a cycle exactly one is further, and none than itself', () => {
  for (const increment of [1n, -1n])
    for (const maximum of [9n, 10n])
      for (let one = 1n; one <= maximum; one += 1n)
        for (let other = 1n; other <= maximum; other += 1n) {
          const [a, b] = [
            point(one, { ...cycle, maximum, increment }),
            point(other, { ...cycle, maximum, increment }),
          ];
          expect([isFurther(a, b), isFurther(b, a)].filter(Boolean)).toHaveLength(one === other ? 0 : 1);
        }
});

test.each([
  ['ascending', {}, [3, 9, 4], 9n],
  ['descending', down, [-3, -9, -4], -9n],
  ['a cycle before its wrap', cycle, [3, 9, 4], 9n],
  ['a cycle of which some have wrapped', cycle, [99, 2, 97], 2n],
  ['a descending cycle of which some have wrapped', cycleDown, [2, 99, 4], 99n],
  ['a cycle whose values lie further apart than half round', cycle, [10, 40, 75], 75n],
  ['one value', cycle, [5], 5n],
] as const)('the furthest of N is the same in every order: %s', (_, change, given, wanted) => {
  for (const order of permutations(given.map((value) => point(value, change))))
    expect(furthest(order as [SequencePoint, ...SequencePoint[]]).lastValue).toBe(wanted);
});

test('of two values the furthest is the one that is further, whatever they are', () => {
  for (let one = 1; one <= 10; one += 1)
    for (let other = 1; other <= 10; other += 1) {
      const [a, b] = [point(one, { ...cycle, maximum: 10n }), point(other, { ...cycle, maximum: 10n })];
      expect(furthest([a, b]).lastValue).toBe((isFurther(a, b) ? a : b).lastValue);
    }
});

test('a value that was drawn is further than the same value that is next, also of a cycle among others', () => {
  const [next, drawn] = [point(5, { ...cycle, isCalled: false }), point(5, cycle)];
  const start = point(60, { ...cycle, isCalled: false });
  for (const order of permutations([next, drawn, point(3, cycle), start]))
    expect(furthest(order as [SequencePoint, ...SequencePoint[]])).toBe(drawn);
});

test('sources of a cycle come together however their values lie, and none goes the longer way', () => {
  for (let a = 1; a <= 12; a += 1)
    for (let b = 1; b <= 12; b += 1)
      for (let c = 1; c <= 12; c += 1) {
        let points = [a, b, c].map((value) => point(value, { ...cycle, maximum: 12n }));
        for (let round = 1; round <= 4; round += 1) {
          const goal = furthest(points as [SequencePoint, ...SequencePoint[]]);
          points = points.map((own) => (isFurther(goal, own) ? goal : own));
        }
        expect(new Set(values(points)).size, `${a} ${b} ${c}`).toBe(1);
      }
});

test.each([
  ['one by one', point(5), point(9), 4n],
  ['by steps', point(5, { increment: 2n }), point(9), 2n],
  ['not when it steps over', point(5, { increment: 3n }), point(9), null],
  ['downwards', point(-5, { ...down, increment: -2n }), point(-9, down), 2n],
  ['across the wrap', point(98, cycle), point(3, cycle), 5n],
  ['across the wrap of a descending one', point(3, cycleDown), point(98, cycleDown), 5n],
  [
    'across the wrap, which comes before the last value',
    point(97, { ...cycle, increment: 10n }),
    point(11, cycle),
    2n,
  ],
  ['not when it steps over after the wrap', point(97, { ...cycle, increment: 10n }), point(12, cycle), null],
] as const)('counts the draws to a value: %s', (_, from, to, draws) => {
  expect(drawsBetween(from, to)).toBe(draws);
});

test.each([
  [point(42), 2n, 1n, 43n],
  [point(42), 2n, 2n, 44n],
  [point(1, { isCalled: false }), 2n, 1n, 1n],
  [point(1, { isCalled: false }), 2n, 2n, 2n],
  [point(100), 30n, 10n, 130n],
  [point(100), 30n, 20n, 110n],
  [point(100), 30n, 30n, 120n],
  [point(-5, down), -3n, 1n, -8n],
  [point(-5, down), -3n, 2n, -7n],
  [point(-5, down), -3n, 3n, -6n],
])('an interleaved sequence goes on beyond %o by %i at residue %i', (end, step, residue, wanted) => {
  expect(firstCongruent(end, { step, residue })).toBe(wanted);
});

const permutations = <T>(items: readonly T[]): T[][] =>
  items.length < 2
    ? [[...items]]
    : items.flatMap((item, index) =>
        permutations(items.filter((_, other) => other !== index)).map((rest) => [item, ...rest]),
      );
