import { expect, test } from 'vitest';
import type { ListedRelation } from '../connectors/postgres/relation-list.ts';
import { chooseAll, chooseRelations } from './relation-choice.ts';

const relation = (schema: string, name: string, changes: Partial<ListedRelation> = {}): ListedRelation => ({
  schema,
  name,
  kind: 'table',
  description: 'table',
  isPartition: false,
  isOfExtension: false,
  ...changes,
});

const listed = [
  relation('public', 'orders'),
  relation('public', 'orders_2026', { isPartition: true }),
  relation('public', 'spatial', { isOfExtension: true }),
  relation('public', 'orders_seq', { kind: 'sequence', description: 'sequence' }),
  relation('sales', 'orders'),
];

const choose = (...words: string[]) =>
  chooseRelations({ words, kinds: ['table'], listed, database: 'A' }).map(
    ({ schema, name }) => `${schema}.${name}`,
  );

test('a name finds every schema, also a partition; a wildcard leaves partitions and extensions out', () => {
  expect(choose('orders')).toEqual(['public.orders', 'sales.orders']);
  expect(choose('orders_2026')).toEqual(['public.orders_2026']);
  expect(choose('public.*')).toEqual(['public.orders']);
});

test('what is of another kind is named for what it is', () => {
  expect(() => choose('orders_seq')).toThrow('public.orders_seq on database A is a sequence, not a table.');
  expect(() => choose('ordres')).toThrow('Database A has no table named "ordres". Did you mean "orders"?');
});

test('add all takes schemas and names in and out', () => {
  const all = { kind: 'table', schemas: [], excludedSchemas: [], tables: [], excludedTables: [] } as const;
  const names = (filter: Partial<typeof all> | Record<string, readonly string[]>) =>
    chooseAll({ ...all, ...filter }, listed).map(({ schema, name }) => `${schema}.${name}`);
  expect(names({})).toEqual(['public.orders', 'sales.orders']);
  expect(names({ schemas: ['sal*'] })).toEqual(['sales.orders']);
  expect(names({ excludedSchemas: ['sales'] })).toEqual(['public.orders']);
  expect(names({ excludedTables: ['public.orders'] })).toEqual(['sales.orders']);
  expect(names({ tables: ['x*'] })).toEqual([]);
});
