import { expect, test } from 'vitest';
import { matchesRelation, namePattern, relationPattern } from './patterns.ts';

const orders = { schema: 'public', name: 'orders' };

test.each(['orders', 'public.orders', 'ord*', 'public.%', '*.orders', '"public"."orders"'])(
  '%s matches public.orders',
  (pattern) => {
    expect(matchesRelation(relationPattern(pattern), orders)).toBe(true);
  },
);

test.each(['Orders', 'shop.orders', 'order', '"ord*"', 'o.rders'])(
  '%s does not match public.orders',
  (pattern) => {
    expect(matchesRelation(relationPattern(pattern), orders)).toBe(false);
  },
);

test('quotes keep dots and doubled quotes', () => {
  expect(matchesRelation(relationPattern('"a.b"."c""d"'), { schema: 'a.b', name: 'c"d' })).toBe(true);
});

test.each(['a.b.c', '', '.a', 'a.', '"a'])('refuses %s', (text) => {
  expect(() => relationPattern(text)).toThrow('not the name of a relation');
});

test('characters of regular expressions stand for themselves', () => {
  expect(namePattern('a+b$').matches('a+b$')).toBe(true);
  expect(namePattern('a.b').matches('axb')).toBe(false);
});
