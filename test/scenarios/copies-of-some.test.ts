/** Copies of some tables, and for some databases: what joins a sync that is there already, and what goes in another way than before. */
import { describe, expect, it } from 'vitest';
import type { CopyRequest, RelationId } from '../../src/model/topology.ts';
import { createGang, type Gang } from '../support/gang.ts';

const tables = ['one', 'two'];
const schema = `
  create table one (id int primary key, note text);
  create table two (id int primary key, note text)`;

const asked = (gang: Gang, ...requests: readonly Partial<Omit<CopyRequest, 'generation'>>[]) => {
  const generation = gang.sync.copyGeneration + 1;
  return {
    copyGeneration: generation,
    copies: requests.map((one) => ({
      generation,
      database: null,
      relation: null,
      mode: 'fill' as const,
      ...one,
    })),
  };
};

const idOf = (gang: Gang, name: string) =>
  gang.sync.members.find(({ database }) => database.name === name)?.database.id ?? null;
const secondTable = 2 as RelationId;

describe('a copy of one table', () => {
  it('fills it where it is empty, leaves it where it is not, and brings the changes of all', async () => {
    await using gang = await createGang({ roles: { A: 'source', B: 'target', C: 'target' }, schema, tables });
    const { relations } = gang.sync;
    await gang.run('A', `insert into two values (1, 'before')`);
    await gang.update({ relations: relations.slice(0, 1) });
    await gang.run('A', `insert into one values (1, 'a'); insert into two values (2, 'unseen')`);
    await gang.settle();
    await gang.run('B', `delete from two`);
    await gang.run('C', `delete from two; insert into two values (9, 'own')`);
    await gang.update({ relations, ...asked(gang, { relation: secondTable }) });
    await gang.run('A', `update one set note = 'b'; insert into two values (3, 'after')`);
    await gang.settle();
    expect(await gang.rows('B', 'two')).toEqual(['(1,before)', '(2,unseen)', '(3,after)']);
    expect(await gang.rows('C', 'two')).toEqual(['(3,after)', '(9,own)']);
    for (const name of ['B', 'C']) expect(await gang.rows(name, 'one')).toEqual(['(1,b)']);
  });

  it('is made once', async () => {
    await using gang = await createGang({ roles: { A: 'source', B: 'target' }, schema, tables });
    await gang.run('A', `insert into two values (1, 'a')`);
    await gang.settle();
    await gang.update(asked(gang, { relation: secondTable, mode: 'replace' }));
    expect(await gang.round('B')).toMatchObject({ B: { kind: 'good', isCopy: true } });
    await gang.run('B', `delete from two`);
    await gang.run('A', `insert into two values (2, 'b')`);
    expect(await gang.round('B')).toMatchObject({ B: { kind: 'good', isCopy: false } });
    expect(await gang.rows('B', 'two')).toEqual(['(2,b)']);
  });
});

describe('a copy for one database', () => {
  it('fills one that joins, while the others go on', async () => {
    await using gang = await createGang({ roles: { A: 'source', B: 'target', C: 'target' }, schema, tables });
    const { members } = gang.sync;
    await gang.update({ members: members.slice(0, 2) });
    await gang.run('A', `insert into one values (1, 'a'); insert into two values (1, 'a')`);
    await gang.round('B');
    await gang.run('B', `delete from two`);
    await gang.update({
      members,
      ...asked(gang, { database: idOf(gang, 'C') ?? members[2]?.database.id ?? null }),
    });
    await gang.run('A', `insert into one values (2, 'b')`);
    expect(await gang.round('C')).toMatchObject({ C: { kind: 'good', isCopy: true } });
    expect(await gang.round('B')).toMatchObject({ B: { kind: 'good', isCopy: false } });
    expect(await gang.rows('C', 'one')).toEqual(['(1,a)', '(2,b)']);
    expect(await gang.rows('C', 'two')).toEqual(['(1,a)']);
    expect(await gang.rows('B', 'two')).toEqual([]);
  });
});

describe('a copy that replaces one table on a target of several sources', () => {
  // Fails when a database whose table was replaced does not go back to what the copied source knows of the others.
  it('loses nothing that only another source has, nor anything of the other tables', async () => {
    await using gang = await createGang({
      roles: { A: 'source', B: 'source', C: 'target' },
      schema,
      tables,
    });
    await gang.run('A', `insert into one values (1, 'a'); insert into two values (1, 'a')`);
    await gang.settle();
    // Read by C, and not yet by A.
    await gang.run('B', `insert into two values (2, 'only B')`);
    await gang.round('C');
    expect(await gang.rows('C', 'two')).toHaveLength(2);
    // Read by A, and not yet by C.
    await gang.run('B', `insert into one values (2, 'of B')`);
    await gang.update(asked(gang, { database: idOf(gang, 'C'), relation: secondTable, mode: 'replace' }));
    await gang.round('C');
    await gang.round();
    await gang.settle();
    await gang.expectEqual();
    expect(await gang.rows('C', 'one')).toEqual(['(1,a)', '(2,"of B")']);
    expect(await gang.rows('C', 'two')).toEqual(['(1,a)', '(2,"only B")']);
  });

  // Fails when a database of which one table was replaced goes ahead to what the copied source knows of the others.
  it('does not go ahead to what the copied source knows of the others', async () => {
    await using gang = await createGang({
      roles: { A: 'source', B: 'source', C: 'target' },
      schema,
      tables,
    });
    await gang.settle();
    await gang.run('B', `insert into one values (2, 'of B')`);
    await gang.round();
    await gang.update(asked(gang, { database: idOf(gang, 'C'), relation: secondTable, mode: 'replace' }));
    await gang.settle();
    await gang.expectEqual();
    expect(await gang.rows('C', 'one')).toEqual(['(2,"of B")']);
  });
});
