import { expect, test } from 'vitest';
import { PlanCache } from './plan-cache.ts';
import { sql } from './sql.ts';

const look = (id: number) => sql`select ${id}::integer`.planned();

test('a planned statement is prepared once, and then executed with its values', () => {
  const plans = new PlanCache();
  const first = plans.message([sql`begin`, look(1), look(2)]);
  expect(first).toMatchObject({
    text: `begin;\nprepare plan_1 as select $1::integer;\nexecute plan_1('1');\nexecute plan_1('2')`,
    prepares: true,
  });
  first.taken();
  expect(plans.message([look(3)])).toMatchObject({ text: `execute plan_1('3')`, prepares: false });
});

test('what was in a message that failed is prepared again, under another name', () => {
  const plans = new PlanCache();
  plans.message([look(1)]);
  expect(plans.message([look(1)]).text).toBe(`prepare plan_2 as select $1::integer;\nexecute plan_2('1')`);
});

test('a statement without values, and values that need care', () => {
  const plans = new PlanCache();
  expect(plans.message([sql`select 1`.planned()]).text).toBe('prepare plan_1 as select 1;\nexecute plan_1');
  const statement = sql`select ${"it's"}::text, ${null}::text, ${[1, 2]}::integer[]`.planned();
  expect(plans.message([statement]).text).toContain(`execute plan_2('it''s', null, '{1,2}')`);
});

test('after some hundred plans further statements are sent as they are', () => {
  const plans = new PlanCache();
  const other = (index: number) => sql`select ${sql.verbatim(String(index))}`.planned();
  const many = plans.message(Array.from({ length: 300 }, (_, index) => other(index)));
  many.taken();
  expect(plans.message([other(301)]).text).toBe('select 301');
  expect(plans.message([other(7)]).text).toBe('execute plan_8');
});
