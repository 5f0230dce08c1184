/** Syncs that bring rows in another form than they have: what that costs against a sync that does not. */
import { sql } from '../../src/pg/sql.ts';
import type { Arena } from '../arena.ts';
import type { Figure, Sample } from '../figure.ts';
import { addSync, arrivalOf, assertEqual, atWork, markerSchema, setMarker } from '../replication.ts';
import { type Bench, repeat, type Scenario } from '../scenario.ts';
import type { Tahr } from '../tahr.ts';
import { fillItems, itemsSchema } from './items.ts';

const rowCount = 500_000;
const changedCount = 200_000;

/** A form, and what says that rows have arrived in it. */
interface Form {
  readonly name: string;
  readonly commands: readonly (readonly string[])[];
  /** What B has in the end, of the rows of A; the same text on both. */
  readonly wanted: string;
  readonly found: string;
}

const plain: Form = {
  name: 'plain',
  commands: [],
  wanted: 'select * from items',
  found: 'select * from items',
};

const forms: readonly Form[] = [
  {
    name: 'filtered: half of the rows go there',
    commands: [['add', 'filter', 'items', 'where=grp < 500', 'db=B']],
    wanted: 'select * from items where grp < 500',
    found: 'select * from items where grp < 500',
  },
  {
    name: 'mapped: another name, and an expression',
    commands: [
      ['add', 'customname', 'items', 'others', 'db=B'],
      ['add', 'customcols', 'items', 'SELECT id, grp, val, upper(note) AS note', 'db=B'],
    ],
    wanted: 'select id, grp, val, upper(note) as note from items where id <= 200000',
    found: 'select id, grp, val, note from others where id <= 200000',
  },
];

/** What was said of the table has copied it once more, which is not what is measured. */
const madeCopies = async (arena: Arena, tahr: Tahr): Promise<void> => {
  await using daemon = tahr.startDaemon();
  await atWork(arena);
  await tahr.run('kick', 'bench', '0');
  await daemon[Symbol.asyncDispose]();
};

const secondsWith = async (bench: Bench, { commands, wanted, found }: Form): Promise<number> => {
  await using arena = await bench.arena('A', 'B');
  await arena.runEverywhere([itemsSchema, markerSchema, fillItems(1, rowCount)].join('\n'));
  await arena
    .on('B')
    .session.script(
      sql.verbatim('create table others (like items including all); insert into others select * from items'),
      sql`analyze public.others`,
    );
  await arena.runEverywhere('vacuum analyze items');
  const [source, target] = [arena.on('A').session, arena.on('B').session];
  const tahr = await addSync(arena, { A: 'source', B: 'target' });
  for (const words of commands) await tahr.run(...words);
  await madeCopies(arena, tahr);
  await source.script(
    sql.verbatim(
      `update items set val = val + 1, note = repeat(md5(id::text || 'changed'), 3) where id <= ${changedCount}`,
    ),
  );
  await source.script(sql.verbatim(setMarker(1)));
  await arena.settle();
  const began = performance.now();
  await using daemon = tahr.startDaemon();
  await arrivalOf(target, 1);
  const seconds = (performance.now() - began) / 1000;
  await daemon[Symbol.asyncDispose]();
  await source.script(sql.verbatim(`create view shown as ${wanted}`));
  await target.script(sql.verbatim(`create view shown as ${found}`));
  await assertEqual([source, target], ['shown']);
  return seconds;
};

export const shaped: Scenario = {
  name: 'shaped',
  about: `${changedCount.toLocaleString('en')} rows of ${rowCount.toLocaleString('en')} changed, through a filter and in other columns, against a sync without`,
  run: async (bench): Promise<Figure[]> => {
    const found = await repeat(bench, 'shaped', async (): Promise<Sample[]> => {
      const limit = await secondsWith(bench, plain);
      const samples: Sample[] = [];
      for (const form of forms) samples.push({ tahr: await secondsWith(bench, form), limit });
      return samples;
    });
    return forms.map(({ name }, index) => ({
      scenario: 'shaped',
      name,
      unit: 's',
      value: 'tahr/limit',
      goal: null,
      samples: found.map((samples) => samples[index] as Sample),
    }));
  },
};
