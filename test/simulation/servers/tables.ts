/** Tables of the simulation, and what applications do to them: statements from a seed, without a look at what is there. */
import type { Dice } from './dice.ts';

/** A row by the values of its key columns, as SQL literals. */
type Key = readonly string[];

export interface TablePlan {
  readonly name: string;
  readonly create: string;
  readonly keyColumns: readonly string[];
  readonly style: TableStyle;
  /** Each row is written by one database. */
  readonly isOwned: boolean;
}

export const tableStyles = ['plain', 'composite', 'wide', 'unique', 'tree'] as const;
type TableStyle = (typeof tableStyles)[number];

const keyCount = 6;

/**
 * @param isOwned what it is at least: conflicts over unique values and references between rows of several databases are not
 * resolved (docs/limitations.md)
 */
export const createTable = (
  { name, style, isOwned }: Pick<TablePlan, 'name' | 'style' | 'isOwned'>,
  dice: Dice,
): TablePlan => {
  const table = (columns: string, keyColumns: readonly string[]): TablePlan => ({
    name,
    style,
    keyColumns,
    isOwned: isOwned || style === 'unique' || style === 'tree',
    create: `create table ${name} (${columns}, token text, primary key (${keyColumns.join(', ')}))`,
  });
  switch (style) {
    case 'plain':
      return table('id int, val int, note text', ['id']);
    case 'composite':
      return table('a smallint, val int, b text, note text', ['a', 'b']);
    case 'wide':
      return table('id uuid, val int, note text, doc jsonb', ['id']);
    case 'unique': {
      const constraint = dice.pick(['', ' deferrable', ' deferrable initially deferred']);
      return table(`id bigint, val int, note text, slot int unique${constraint}`, ['id']);
    }
    case 'tree':
      return table(
        `id int, val int, note text, parent int references ${name} on update cascade on delete cascade`,
        ['id'],
      );
    default:
      return style satisfies never;
  }
};

/** Who writes: one of the databases that do. */
export interface Writer {
  readonly place: number;
  readonly count: number;
}

/** The keys that a writer may choose from. */
const keysOf = (table: TablePlan, { place, count }: Writer): Key[] => {
  const numbers = Array.from({ length: keyCount }, (_, index) => index);
  const mine = table.isOwned ? numbers.map((number) => number * count + place) : numbers;
  return mine.map((number) => keyOf(table, number));
};

const keyOf = ({ style }: TablePlan, number: number): Key => {
  if (style === 'composite' && number < keyCount)
    return [String(1 + (number % 3)), number < 3 ? `'x'` : `'y "z"'`];
  if (style === 'composite') return [String(number), `'x'`];
  if (style === 'wide') return [`'00000000-0000-4000-8000-${String(number + 1).padStart(12, '0')}'`];
  return [String(number + 1)];
};

/** A key that rows have only while two of them change places. */
const spareKey = ({ style }: TablePlan, { place }: Writer): Key => {
  if (style === 'composite') return ['0', `'spare'`];
  if (style === 'wide') return [`'ffffffff-0000-4000-8000-000000000000'`];
  return [String(-1 - place)];
};

const whereKey = ({ keyColumns }: TablePlan, key: Key): string =>
  keyColumns.map((column, index) => `${column} = ${key[index]}`).join(' and ');

const setKey = ({ keyColumns }: TablePlan, key: Key): string =>
  keyColumns.map((column, index) => `${column} = ${key[index]}`).join(', ');

const listOf = (keys: readonly Key[]): string => keys.map((key) => `(${key.join(', ')})`).join(', ');

const keyTuple = ({ keyColumns }: TablePlan): string => `(${keyColumns.join(', ')})`;

interface Setting {
  readonly table: TablePlan;
  readonly writer: Writer;
  readonly dice: Dice;
  readonly keys: readonly Key[];
}

const valuesOf = ({ table, dice, keys }: Setting, key: Key): { columns: string; values: string } => {
  const note = dice.chance(0.05) ? `repeat(md5('${dice.below(1000)}'), 90)` : `'n${dice.below(9)}'`;
  const base = { columns: 'val, note', values: `${dice.below(100)}, ${note}` };
  const keyColumns = `${table.keyColumns.join(', ')}, ${base.columns}`;
  const keyValues = `${key.join(', ')}, ${base.values}`;
  if (table.style === 'unique')
    return {
      columns: `${keyColumns}, slot`,
      values: `${keyValues}, ${dice.chance(0.3) ? 'null' : slotOf(dice.of(keys))}`,
    };
  if (table.style === 'tree')
    return {
      columns: `${keyColumns}, parent`,
      values: `${keyValues}, (select id from ${table.name} where id = ${dice.of(keys)[0]})`,
    };
  if (table.style === 'wide')
    return { columns: `${keyColumns}, doc`, values: `${keyValues}, '{"n": [${dice.below(9)}]}'` };
  return { columns: keyColumns, values: keyValues };
};

/** Slots belong to the owner of the row, as the numbers of its keys do. */
const slotOf = ([number]: Key): string => String(number);

const insert = (setting: Setting, ending: string): string => {
  const { columns, values } = valuesOf(setting, setting.dice.of(setting.keys));
  return `insert into ${setting.table.name} (${columns}) values (${values})${ending}`;
};

const upsert = (setting: Setting): string =>
  insert(
    setting,
    ` on conflict ${keyTuple(setting.table)} do update set val = excluded.val, note = excluded.note`,
  );

const update = ({ table, dice, keys }: Setting): string =>
  `update ${table.name} set val = val + ${dice.between(1, 9)} where ${whereKey(table, dice.of(keys))}`;

const remove = ({ table, dice, keys }: Setting): string =>
  `delete from ${table.name} where ${whereKey(table, dice.of(keys))}`;

const merge = (setting: Setting): string => {
  const { table, dice, keys } = setting;
  const key = dice.of(keys);
  const { columns, values } = valuesOf(setting, key);
  return `merge into ${table.name} using (select 1) s on (${whereKey(table, key)})
    when matched and val % 3 = 0 then delete
    when matched then update set val = val + 1
    when not matched then insert (${columns}) values (${values})`;
};

const move = ({ table, dice, keys }: Setting): string => {
  const [from, to] = [dice.of(keys), dice.of(keys)];
  return `update ${table.name} set ${setKey(table, to)} where ${whereKey(table, from)}
    and not exists (select from ${table.name} where ${whereKey(table, to)})`;
};

/** Two rows change their keys. */
const swap = ({ table, writer, dice, keys }: Setting): string => {
  const [one, other] = [dice.of(keys), dice.of(keys)];
  const step = (from: Key, to: Key): string =>
    `update ${table.name} set ${setKey(table, to)} where ${whereKey(table, from)}`;
  const spare = spareKey(table, writer);
  return [step(one, spare), step(other, one), step(spare, other)].join('; ');
};

/** Two rows change a unique value: at once where the constraint allows it. */
const swapSlots = ({ table, dice, keys }: Setting): string => {
  const [one, other] = [slotOf(dice.of(keys)), slotOf(dice.of(keys))];
  if (table.create.includes('deferrable'))
    return `update ${table.name} set slot = case slot when ${one} then ${other} else ${one} end where slot in (${one}, ${other})`;
  const step = (from: string, to: string): string =>
    `update ${table.name} set slot = ${to} where slot = ${from}`;
  return [step(one, `-${one}`), step(other, one), step(`-${one}`, other)].join('; ');
};

const bulkUpdate = ({ table, dice, keys }: Setting): string =>
  `update ${table.name} set val = val + 10 where ${keyTuple(table)} in (${listOf(dice.some(keys, 0.6).concat(keys.slice(0, 1)))})`;

const bulkDelete = ({ table, dice, keys }: Setting): string =>
  `delete from ${table.name} where ${keyTuple(table)} in (${listOf(dice.some(keys, 0.4).concat(keys.slice(-1)))})`;

const bulkInsert = (setting: Setting): string => {
  const { table, dice, keys } = setting;
  const rows = keys.map((key) => `(${[...key, String(dice.below(50)), `'bulk'`].join(', ')})`).join(', ');
  const doing = dice.pick(['nothing', 'update set val = excluded.val']);
  return `insert into ${table.name} (${table.keyColumns.join(', ')}, val, note) values ${rows} on conflict ${keyTuple(table)} do ${doing}`;
};

/** One statement that deletes a row and inserts another. */
const replace = ({ table, dice, keys }: Setting): string => {
  const [from, to] = [dice.of(keys), dice.of(keys)];
  return `with gone as (delete from ${table.name} where ${whereKey(table, from)} returning val)
    insert into ${table.name} (${table.keyColumns.join(', ')}, val) select ${to.join(', ')}, val from gone on conflict ${keyTuple(table)} do nothing`;
};

const setParent = ({ table, dice, keys }: Setting): string =>
  `update ${table.name} set parent = (select id from ${table.name} where ${whereKey(table, dice.of(keys))}) where ${whereKey(table, dice.of(keys))}`;

const statements = {
  insert: (setting: Setting) => insert(setting, ''),
  upsert,
  update,
  remove,
  merge,
  move,
  swap,
  bulkUpdate,
  bulkDelete,
  bulkInsert,
  replace,
  truncate: ({ table }: Setting) => `truncate ${table.name}`,
  touch: ({ table, dice, keys }: Setting) =>
    `update ${table.name} set val = val where ${whereKey(table, dice.of(keys))}`,
  swapSlots,
  setParent,
};

const weights: Readonly<Record<keyof typeof statements, number>> = {
  insert: 8,
  upsert: 30,
  update: 20,
  remove: 12,
  merge: 4,
  move: 7,
  swap: 4,
  bulkUpdate: 3,
  bulkDelete: 2,
  bulkInsert: 4,
  replace: 3,
  truncate: 2,
  touch: 2,
  swapSlots: 0,
  setParent: 0,
};

/**
 * Something that an application does to the table; several statements where one does not do.
 * @param isLong the transaction stays open while rounds run: nobody reads a table that it has truncated
 */
export const writeSomething = (table: TablePlan, writer: Writer, dice: Dice, isLong: boolean): string => {
  const kind = dice.weighted({
    ...weights,
    ...(table.style === 'unique' ? { swapSlots: 15 } : {}),
    ...(table.style === 'tree' ? { setParent: 15 } : {}),
    // Of rows that others own it would be a change too.
    ...(isLong || (table.isOwned && writer.count > 1) ? { truncate: 0 } : {}),
  });
  return statements[kind]({ table, writer, dice, keys: keysOf(table, writer) });
};

/** Rows that are there before anything begins, the same everywhere. */
export const initialRows = (table: TablePlan, writers: number, dice: Dice): string[] =>
  Array.from({ length: writers }, (_, place) => ({ place, count: writers }))
    .slice(0, table.isOwned ? writers : 1)
    .flatMap((writer) => dice.some(keysOf(table, writer), 0.5))
    .map(
      (key) =>
        `insert into ${table.name} (${table.keyColumns.join(', ')}, val, note, token)
         values (${key.join(', ')}, 0, 'initial', '${table.name} initial ${key.join(' ').replaceAll(`'`, '')}')`,
    );
