/** Names that have to be quoted, or that run together when they are not. */
import { expect, it } from 'vitest';
import type { RelationName } from '../../src/model/topology.ts';
import { sql } from '../../src/pg/sql.ts';
import { createGang } from '../support/gang.ts';

const names = [
  'MixedCase',
  'with "quotes" and \'apostrophes\'',
  'dots.and spaces ',
  'Größe ☃ 表',
  'x'.repeat(63),
  'é'.repeat(31),
  'select',
  'new',
  'touched',
  'k1',
  'back\\slash $$ %I :hole',
  '1,2',
];

const quoted = (...parts: [string, ...string[]]): string => sql.id(...parts).inlined();

/** As a table is a type too, the name of the type differs a little. */
const typeOf = (name: string): string => quoted(name, `${name.slice(0, 20)}_mood`);

/** Schema, table, columns, key, type and its values all carry the name. */
const schemaOf = (name: string): string => {
  const table = quoted(name, name);
  const mood = typeOf(name);
  return `
    create schema ${quoted(name)};
    create type ${mood} as enum (${sql.literal(name).inlined()}, 'other');
    create table ${table} (${quoted(name)} int, kind ${mood}, note text, ${quoted(`${name.slice(0, 20)}_mood`)} ${mood}[],
      constraint ${quoted(`${name.slice(0, 30)}!`)} unique (note, ${quoted(name)}),
      primary key (${quoted(name)}, kind));`;
};

it.each([
  ['one way', { A: 'source', B: 'target' }, 'A'],
  ['both ways', { A: 'source', B: 'source' }, 'B'],
] as const)(
  'takes names of every kind for schemas, tables, columns, types and constraints, %s',
  async (_, roles, other) => {
    const tables: RelationName[] = names.map((name) => ({ schema: name, name }));
    await using gang = await createGang({ roles, schema: names.map(schemaOf).join('\n'), tables });
    for (const name of names) {
      const label = sql.literal(name).inlined();
      await gang.run(
        'A',
        `insert into ${quoted(name, name)} values (1, ${label}, 'A', array[${label}, null]::${typeOf(name)}[]), (2, 'other', 'A', null), (3, ${label}, 'A', null)`,
      );
    }
    await gang.expectEqual();
    for (const name of names)
      await gang.run(
        other,
        `update ${quoted(name, name)} set note = 'changed' where kind = 'other'; delete from ${quoted(name, name)} where ${quoted(name)} = 3; update ${quoted(name, name)} set ${quoted(name)} = 9 where note = 'A'`,
      );
    await gang.expectEqual();
    for (const table of tables) {
      expect(await gang.rows('B', table), table.name).toHaveLength(2);
      await gang.run('A', `truncate ${quoted(table.schema, table.name)}`);
    }
    await gang.expectEqual();
    for (const table of tables) expect(await gang.rows('B', table), table.name).toEqual([]);
  },
);

it('tells tables apart whose names run together', async () => {
  const tables = [
    { schema: 'a_b', name: 'c' },
    { schema: 'a', name: 'b_c' },
    { schema: 'a', name: 'b.c' },
    { schema: 'a.b', name: 'c' },
    { schema: 'public', name: 'T' },
    { schema: 'public', name: 't' },
  ];
  const schema = ['a', 'a_b', 'a.b'].map((name) => `create schema ${quoted(name)};`).join('');
  await using gang = await createGang({
    roles: { A: 'source', B: 'source' },
    schema:
      schema +
      tables
        .map(
          ({ schema: room, name }) => `create table ${quoted(room, name)} (id int primary key, note text);`,
        )
        .join(''),
    tables,
  });
  for (const [index, { schema: room, name }] of tables.entries())
    await gang.run(
      index % 2 === 0 ? 'A' : 'B',
      `insert into ${quoted(room, name)} values (1, 'table ${index}')`,
    );
  await gang.expectEqual();
  for (const [index, table] of tables.entries())
    for (const side of ['A', 'B']) expect(await gang.rows(side, table)).toEqual([`(1,"table ${index}")`]);
});
