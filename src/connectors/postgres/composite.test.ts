import { expect, test } from 'vitest';
import { type CompositeType, findDifference } from './composite.ts';

const pair = (...attributes: [name: string, type: string][]): CompositeType => ({
  name: 'public.pair',
  attributes: attributes.map(([name, type]) => ({ name, type })),
});
const sent = pair(['a', 'text'], ['b', 'text']);

test('the same attributes in the same order do not differ, nor does a type that only the receiver has', () => {
  expect(findDifference([sent], [{ name: 'public.other', attributes: [] }, sent])).toBeNull();
  expect(findDifference([], [sent])).toBeNull();
});

test.each([
  [
    'another order',
    [pair(['b', 'text'], ['a', 'text'])],
    'a',
    '1 of the type public.pair is "b" text and not "a" text',
  ],
  [
    'another type',
    [pair(['a', 'text'], ['b', 'name'])],
    'b',
    '2 of the type public.pair is "b" name and not "b" text',
  ],
  ['one less', [pair(['a', 'text'])], 'b', '2 of the type public.pair is nothing and not "b" text'],
  [
    'one more',
    [pair(['a', 'text'], ['b', 'text'], ['c', 'date'])],
    'c',
    '3 of the type public.pair is "c" date and not nothing',
  ],
  ['another type inside', [], 'a', '1 of the type public.pair is nothing and not "a" text'],
])('%s is found, with the place', (_, received, attribute, what) => {
  expect(findDifference([sent], received)).toEqual({
    type: 'public.pair',
    attribute,
    what: `attribute ${what}`,
  });
});
