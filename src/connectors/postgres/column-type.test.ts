import { expect, test } from 'vitest';
import { compositesOf, keyTypeOf, storedTypeOf, transportOf, type TypeFacts } from './column-type.ts';

const facts = (name: string, change: Partial<TypeFacts> = {}): TypeFacts => ({
  oid: name,
  name,
  isBuiltIn: true,
  kind: 'base',
  hasBinaryForm: true,
  components: [],
  typeBelow: null,
  attributes: [],
  ...change,
});

const types = new Map(
  [
    facts('integer'),
    facts('numeric'),
    facts('interval'),
    facts('xml'),
    facts('text'),
    facts('xml[]', { kind: 'array', components: ['xml'] }),
    facts('public.mood', { kind: 'enum', isBuiltIn: false }),
    facts('public.mood[]', { kind: 'array', isBuiltIn: false, components: ['public.mood'] }),
    facts('public.price', {
      kind: 'domain',
      isBuiltIn: false,
      components: ['numeric'],
      typeBelow: 'numeric(10,2)',
    }),
    facts('public.low_price', {
      kind: 'domain',
      isBuiltIn: false,
      components: ['public.price'],
      typeBelow: 'public.price',
    }),
    facts('public.item', {
      kind: 'composite',
      isBuiltIn: false,
      components: ['public.price', 'public.item[]'],
      attributes: [{ name: 'p', type: 'public.price' }],
    }),
    facts('public.item[]', { kind: 'array', isBuiltIn: false, components: ['public.item'] }),
    facts('public.citext', { isBuiltIn: false }),
  ].map((type) => [type.oid, type]),
);

const transport = (name: string, own: number, oldest: number): string =>
  transportOf(name, types, { own, oldest });
const plain = { name: null, isDeterministic: true };

test('a type with infinite values that an older server misreads travels as text to it', () => {
  expect(transport('interval', 170000, 160000)).toBe('text');
  expect(transport('interval', 180000, 170000)).toBe('binary');
  expect(transport('interval', 160000, 130000)).toBe('binary');
  expect(transport('public.price', 140000, 130000)).toBe('text');
});

test('what a type is made of decides for it', () => {
  expect(transport('xml[]', 180000, 180000)).toBe('text');
  expect(transport('public.mood[]', 180000, 140000)).toBe('binary');
  expect(transport('public.mood[]', 180000, 130000)).toBe('text');
});

test('a delta keeps a key in a type that applications may drop', () => {
  expect(keyTypeOf('public.mood', types, plain)).toMatchObject({
    deltaType: 'text',
    suffix: '::public.mood',
  });
  expect(keyTypeOf('public.mood[]', types, plain)).toMatchObject({
    deltaType: 'text[]',
    suffix: '::public.mood[]',
  });
  expect(keyTypeOf('public.citext', types, plain)).toMatchObject({
    deltaType: 'text',
    equalityIsBytes: false,
  });
});

test('a delta keeps a key in the widest type of its family, with the collation of the index', () => {
  expect(keyTypeOf('integer', types, plain)).toMatchObject({
    deltaType: 'bigint',
    suffix: '',
    equalityIsBytes: true,
  });
  expect(keyTypeOf('public.price', types, plain)).toMatchObject({
    deltaType: 'numeric',
    equalityIsBytes: false,
  });
  const collation = { name: 'pg_catalog."C"', isDeterministic: true };
  expect(keyTypeOf('text', types, collation).suffix).toBe(' collate pg_catalog."C"');
});

test('a column stores what its type stores below all domains', () => {
  expect(storedTypeOf('public.low_price', 'public.low_price', types)).toBe('numeric(10,2)');
  expect(storedTypeOf('numeric', 'numeric(8,3)', types)).toBe('numeric(8,3)');
});

test('composite types are found inside others, once each', () => {
  const item = { name: 'public.item', attributes: [{ name: 'p', type: 'public.price' }] };
  expect(compositesOf('public.item[]', types)).toEqual([item]);
  expect(compositesOf('public.low_price', types)).toEqual([]);
});
