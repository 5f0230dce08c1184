import { describe, expect, test } from 'vitest';
import { boolean, choice, intervalMs, name, namedRole, oneTimeCopy, queueLimit, text } from './values.ts';

describe('boolean', () => {
  test.each([
    ['t', true],
    ['ON', true],
    ['yes', true],
    ['1', true],
    ['false', false],
    ['off', false],
    ['0', false],
  ])('reads %s', (value, expected) => {
    expect(boolean(value, 'autokick')).toBe(expected);
  });

  test('refuses anything else and names the key', () => {
    expect(() => boolean('maybe', 'autokick')).toThrow('Invalid value "maybe" for autokick');
  });
});

test.each([
  ['90', 90_000],
  ['30s', 30_000],
  ['5 minutes', 300_000],
  ['"1 hour 30 min"', 5_400_000],
  ['1h30m', 5_400_000],
  ['00:05:00', 300_000],
  ['1:30', 5_400_000],
  ['500ms', 500],
  ['none', null],
  ['0', null],
])('reads the interval %s', (value, expected) => {
  expect(intervalMs(value, 'checktime')).toBe(expected);
});

test.each(['soon', '5 parsecs', '-1', '1:99'])('refuses the interval %s', (value) => {
  expect(() => intervalMs(value, 'checktime')).toThrow('Invalid value');
});

test.each([
  ['A', { name: 'A', role: null, priority: 0 }],
  ['A:source', { name: 'A', role: 'source', priority: 0 }],
  ['A:MASTER', { name: 'A', role: 'source', priority: 0 }],
  ['A:pri', { name: 'A', role: 'source', priority: 0 }],
  ['A:t', { name: 'A', role: 'target', priority: 0 }],
  ['A:replica', { name: 'A', role: 'target', priority: 0 }],
  ['A:slave', { name: 'A', role: 'target', priority: 0 }],
  ['A:full', { name: 'A', role: 'fullcopy', priority: 0 }],
  ['A:source:pri=2', { name: 'A', role: 'source', priority: 2 }],
  ['A:target:priority=-1', { name: 'A', role: 'target', priority: -1 }],
])('reads the member %s', (word, expected) => {
  expect(namedRole(word)).toEqual(expected);
});

test.each(['A:king', 'A:source:1', 'A-1', ':source', '1A'])('refuses the member %s', (word) => {
  expect(() => namedRole(word)).toThrow();
});

test('a choice is one of the words, and the sentence lists them', () => {
  expect(choice(['active', 'inactive'])('Active', 'status')).toBe('active');
  expect(() => choice(['active', 'inactive'])('stalled', 'status')).toThrow('must be active or inactive');
});

test('onetimecopy is 0, 1 or 2', () => {
  expect([oneTimeCopy('0', 'k'), oneTimeCopy('1', 'k'), oneTimeCopy('2', 'k')]).toEqual([0, 1, 2]);
  expect(() => oneTimeCopy('3', 'onetimecopy')).toThrow(
    'Invalid value "3" for onetimecopy: it must be 0 (or off), 1 (or always), or 2 (or empty).',
  );
});

test('an empty value is refused where a text is needed', () => {
  expect(() => text('""', 'relgroup')).toThrow('empty');
});

test('names are a letter, then letters, digits and underscores', () => {
  expect(name('Shop_1', 'sync')).toBe('Shop_1');
  expect(() => name('shop-1', 'sync')).toThrow('"shop-1" cannot be the name of a sync');
});

test.each([
  ['2GB', { bytes: 2e9, ageMs: null }],
  ['1.5 mb', { bytes: 1_500_000, ageMs: null }],
  ['1d', { bytes: null, ageMs: 86_400_000 }],
  ['"500kB, 2 hours"', { bytes: 500_000, ageMs: 7_200_000 }],
  ['00:30', { bytes: null, ageMs: 1_800_000 }],
  ['none', { bytes: null, ageMs: null }],
])('reads the limit of a queue %s', (value, expected) => {
  expect(queueLimit(value, 'queue_limit')).toEqual(expected);
});

test.each(['2', 'lots', '2GB,', '-1GB', '1 parsec', '10s'])('refuses the limit of a queue %s', (value) => {
  expect(() => queueLimit(value, 'queue_limit')).toThrow('Invalid value');
});
