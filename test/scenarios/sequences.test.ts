import { describe, expect, it } from 'vitest';
import { createGang } from '../support/gang.ts';
import { draw, last } from '../support/sequences.ts';

const roles = { A: 'source', B: 'source' } as const;
const items = 'create table items (id bigint primary key, note text)';

describe('the furthest value goes everywhere', () => {
  it('takes the lower value of a descending sequence', async () => {
    await using gang = await createGang({
      roles: { ...roles, C: 'target' },
      schema: `${items}; create sequence s increment -3 maxvalue -1 start -1`,
      tables: ['items'],
      sequences: ['s'],
    });
    await draw(gang, 'A', { count: 2 });
    await draw(gang, 'B', { count: 5 });
    await gang.settle();
    for (const name of ['A', 'B', 'C']) expect(await last(gang, name), name).toBe('-13');
  });

  it('holds for three sources: ascending, descending, and across a wrap', async () => {
    await using gang = await createGang({
      roles: { ...roles, C: 'source', D: 'target' },
      schema: `${items}; create sequence up; create sequence down increment -1; create sequence round maxvalue 100 cycle`,
      tables: ['items'],
      sequences: ['up', 'down', 'round'],
    });
    const all = ['A', 'B', 'C', 'D'];
    await draw(gang, 'A', { count: 97, sequence: 'round' });
    await gang.settle();
    for (const [name, count] of [
      ['A', 4],
      ['B', 9],
      ['C', 6],
    ] as const)
      for (const sequence of ['up', 'down', 'round']) await draw(gang, name, { count, sequence });
    await gang.settle();
    for (const name of all) {
      expect(await last(gang, name, 'up'), name).toBe('9');
      expect(await last(gang, name, 'down'), name).toBe('-9');
      expect(await last(gang, name, 'round'), name).toBe('6');
    }
  });

  it('brings a cyclic sequence forward across its wrap, and never back', async () => {
    await using gang = await createGang({
      roles: { ...roles, C: 'target' },
      schema: `${items}; create sequence s maxvalue 100 cycle; create sequence d increment -1 minvalue 1 maxvalue 5000 cycle`,
      tables: ['items'],
      sequences: ['s', 'd'],
    });
    await draw(gang, 'A', { count: 96 });
    await gang.settle();
    expect(await last(gang, 'B')).toBe('96');
    await draw(gang, 'B', { count: 7 });
    await gang.run('A', `select setval('d', 10)`);
    await gang.settle();
    await gang.run('B', `select setval('d', 4990)`);
    await gang.settle();
    for (const name of ['A', 'B', 'C']) {
      expect(await last(gang, name), name).toBe('3');
      expect(await last(gang, name, 'd'), name).toBe('4990');
    }
    expect(await draw(gang, 'A')).toEqual([4n]);
  });

  it.each([
    ['increment 2', 'increment 1', 'public.s on B counts by 1, and on A by 2.'],
    ['', 'increment -1', 'public.s on B counts by -1, and on A by 1.'],
    ['cycle', '', 'public.s on B does not cycle, and on A it does.'],
    ['', 'cycle', 'public.s on B cycles, and on A it does not.'],
    [
      '',
      'as integer',
      'public.s on B ends at 2147483647 (integer), and on A at 9223372036854775807 (bigint).',
    ],
    ['maxvalue 90', 'maxvalue 100', 'public.s on A ends at 90 (bigint), and on B at 100 (bigint).'],
    [
      'increment -1 minvalue -90',
      'increment -1 minvalue -80',
      'public.s on B ends at -80 (bigint), and on A at -90 (bigint).',
    ],
    [
      'maxvalue 90 cycle',
      'minvalue 2 maxvalue 90 cycle',
      'public.s on B cycles through 2 to 90 (bigint), and on A through 1 to 90 (bigint).',
    ],
  ])('refuses a sequence that is "%s" on A and "%s" on B', async (onA, onB, message) => {
    const creating = createGang({
      roles,
      schema: items,
      seed: { A: `create sequence s ${onA}`, B: `create sequence s ${onB}` },
      tables: ['items'],
      sequences: ['s'],
    });
    await expect(creating).rejects.toMatchObject({ code: 'schema_differs', message });
  });

  it('takes sequences that begin elsewhere, cache otherwise, or have another limit behind them', async () => {
    await using gang = await createGang({
      roles,
      schema: items,
      seed: { A: 'create sequence s start 5 minvalue 5', B: 'create sequence s cache 10' },
      tables: ['items'],
      sequences: ['s'],
    });
    await draw(gang, 'B', { count: 3 });
    await gang.settle();
    expect(await last(gang, 'A')).toBe('10');
  });
});
