import { expect, test } from 'vitest';
import { Newest } from './newest.ts';

const after = (count: number): number[] => {
  const newest = new Newest<number>(3);
  for (let item = 1; item <= count; item += 1) newest.add(item);
  return newest.list();
};

test('everything is kept until there is too much, then the newest, in the order in which they came', () => {
  expect(after(0)).toEqual([]);
  expect(after(2)).toEqual([1, 2]);
  expect(after(3)).toEqual([1, 2, 3]);
  expect(after(4)).toEqual([2, 3, 4]);
  expect(after(8)).toEqual([6, 7, 8]);
});
