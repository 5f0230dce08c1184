import { expect, test } from 'vitest';
import type { Column } from '../connectors/postgres/table.ts';
import { typeFits } from './type-fits.ts';

const column = (type: string, baseType: string): Column => ({
  name: 'c',
  type,
  baseType,
  storedType: type,
  composites: [],
  notNull: false,
  hasDefault: false,
  isGenerated: false,
  identity: 'none',
  transport: 'binary',
});

const varchar = (type: string): Column => column(type, 'character varying');
const numeric = (type: string): Column => column(type, 'numeric');
const plain = (type: string): Column => column(type, type);

test.each([
  [plain('integer'), plain('bigint')],
  [plain('smallint'), plain('bigint')],
  [varchar('character varying(10)'), plain('text')],
  [varchar('character varying(10)'), varchar('character varying(20)')],
  [varchar('character varying(10)'), varchar('character varying')],
  [numeric('numeric(10,4)'), numeric('numeric')],
  [numeric('numeric(10,4)'), numeric('numeric(12,5)')],
  [
    column('timestamp(3) without time zone', 'timestamp without time zone'),
    plain('timestamp without time zone'),
  ],
  [
    column('character varying(3)[]', 'character varying[]'),
    column('character varying(5)[]', 'character varying[]'),
  ],
  [column('character(4)', 'bpchar'), column('character(4)', 'bpchar')],
  [column('public.age', 'integer'), plain('integer')],
])('%o fits into %o', (from, to) => {
  expect(typeFits(from, to)).toBe(true);
});

test.each([
  [plain('bigint'), plain('integer')],
  [plain('text'), varchar('character varying')],
  [varchar('character varying'), varchar('character varying(20)')],
  [varchar('character varying(20)'), varchar('character varying(10)')],
  [numeric('numeric(10,4)'), numeric('numeric(10,2)')],
  [numeric('numeric(10,4)'), numeric('numeric(11,6)')],
  [numeric('numeric'), numeric('numeric(11,6)')],
  [column('character(4)', 'bpchar'), column('character(5)', 'bpchar')],
  [
    column('timestamp(6) with time zone', 'timestamp with time zone'),
    column('timestamp(0) with time zone', 'timestamp with time zone'),
  ],
  [plain('integer'), plain('text')],
  [plain('integer'), plain('integer[]')],
  [plain('integer'), column('public.age', 'integer')],
])('%o does not fit into %o', (from, to) => {
  expect(typeFits(from, to)).toBe(false);
});
