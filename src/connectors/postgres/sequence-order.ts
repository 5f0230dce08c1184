/**
 * Which of several values of one sequence has gone further. Pure, and in bigints: a range may have 2^64 values.
 *
 * A sequence that does not cycle goes in the direction of its increment, and its values have an order. One that cycles
 * goes round: there the shorter way forward decides, so a value that was drawn after the wrap is further than the one
 * before it. One from which nothing was drawn yet has gone nowhere: else a new database would look as if it had just
 * wrapped. What cannot be told is a sequence that went more than half round between two looks.
 */

/** As `pg_sequence` and the sequence itself say. */
export interface SequencePoint {
  readonly lastValue: bigint;
  /** False: `lastValue` is the next one to be drawn. */
  readonly isCalled: boolean;
  readonly increment: bigint;
  readonly minimum: bigint;
  readonly maximum: bigint;
  readonly isCyclic: boolean;
}

/** True when `one` has gone further than `other`. Of two different points exactly one has. */
export const isFurther = (one: SequencePoint, other: SequencePoint): boolean => {
  if (one.lastValue === other.lastValue) return one.isCalled && !other.isCalled;
  if (!one.isCyclic) return isAhead(one, other);
  if (one.isCalled !== other.isCalled) return one.isCalled;
  const way = 2n * wayForward(other, one);
  const size = rangeSize(one);
  // Half round, both ways are equally long: the plain order, so that all come together.
  return way === size ? isAhead(one, other) : way < size;
};

/**
 * The point that all others are to be brought to. Of a cyclic sequence: the end of the shortest stretch that holds all
 * points, which is the point with the longest way to the next one. The order of the points makes no difference.
 */
export const furthest = <P extends SequencePoint>(points: readonly [P, ...P[]]): P => {
  const drawn = points.filter(({ isCalled }) => isCalled);
  const peers = drawn.length > 0 ? drawn : points;
  return points.reduce((best, point) => {
    if (!point.isCyclic) return isFurther(point, best) ? point : best;
    if (point.isCalled !== best.isCalled) return point.isCalled ? point : best;
    const [own, others] = [wayToNext(point, peers), wayToNext(best, peers)];
    return own > others || (own === others && isAhead(point, best)) ? point : best;
  });
};

/** How many times the sequence must draw to come from `from` exactly to `to`; null when it steps over it. */
export const drawsBetween = (from: SequencePoint, to: SequencePoint): bigint | null => {
  const { increment, isCyclic } = from;
  if (!isCyclic || isAhead(to, from)) return exactly(to.lastValue - from.lastValue, increment);
  // After the last value that has room comes the first one of the range, whatever the increment.
  const [first, last] = increment > 0n ? [from.minimum, from.maximum] : [from.maximum, from.minimum];
  const toFirst = (last - from.lastValue) / increment + 1n;
  const onwards = exactly(to.lastValue - first, increment);
  return onwards === null ? null : toFirst + onwards;
};

/** The value that is drawn next by a sequence that counts by `step` and takes up where `furthest` stands, on its own. */
export const firstCongruent = (
  { lastValue, isCalled }: SequencePoint,
  { step, residue }: { readonly step: bigint; readonly residue: bigint },
): bigint => {
  const direction = step > 0n ? 1n : -1n;
  const from = isCalled ? lastValue + direction : lastValue;
  return from + direction * modulo(direction * (residue - from), step * direction);
};

/** The rest that is never negative. */
export const modulo = (value: bigint, divisor: bigint): bigint => ((value % divisor) + divisor) % divisor;

const isAhead = (one: SequencePoint, other: SequencePoint): boolean =>
  one.increment > 0n ? one.lastValue > other.lastValue : one.lastValue < other.lastValue;

const rangeSize = ({ minimum, maximum }: SequencePoint): bigint => maximum - minimum + 1n;

/** From `from` forward to `to`, round the range. */
const wayForward = (from: SequencePoint, to: SequencePoint): bigint => {
  const gap = to.lastValue - from.lastValue;
  return modulo(from.increment > 0n ? gap : -gap, rangeSize(from));
};

/** To the next other value among the points; the whole way round when there is none. */
const wayToNext = (point: SequencePoint, points: readonly SequencePoint[]): bigint =>
  points
    .map((other) => wayForward(point, other))
    .filter((way) => way > 0n)
    .reduce((shortest, way) => (way < shortest ? way : shortest), rangeSize(point));

const exactly = (gap: bigint, increment: bigint): bigint | null =>
  gap % increment === 0n && gap / increment >= 0n ? gap / increment : null;
