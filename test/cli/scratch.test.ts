import { test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createDatabase } from '../support/databases.ts';
import { createInstallation, settings } from './tahr.ts';
test('x', async () => {
  const i = await createInstallation();
  const A = await createDatabase('a'),
    B = await createDatabase('b'),
    C = await createDatabase('c');
  for (const [n, d] of [
    ['A', A],
    ['B', B],
    ['C', C],
  ] as const) {
    const s = await d.session();
    await s.script(
      sql`create table public.item (id int primary key, name text)`,
      sql`create table public.stock (id int primary key, n int)`,
    );
    console.log(await i.ok('add', 'db', n, ...settings(d.parameters)));
  }
  const show = async (...a: string[]) => {
    const r = await i.tahr(...a);
    console.log(`$ tahr ${a.join(' ')}\n${r.stdout}${r.stderr}[${r.code}]`);
  };
  await show('add', 'sync', 'shop', 'tables=*', 'dbs=A:source,B:source,C:target', 'onetimecopy=2');
  await show('start');
  const a = await A.session(),
    b = await B.session(),
    c = await C.session();
  await a.script(sql`insert into public.item select g, 'x' from generate_series(1,1000) g`);
  await show('kick', 'shop', '0');
  await show('status');
  await a.script(sql`begin`, sql`update public.item set name='a' where id < 4`);
  await b.script(sql`begin`, sql`update public.item set name='b' where id < 4`);
  await a.script(sql`commit`);
  await b.script(sql`commit`);
  await show('kick', 'shop', '10');
  await show('conflicts');
  await show('conflicts', 'shop', '1', '--verbose');
  await c.script(sql`alter table public.item add constraint short check (length(name) < 5)`);
  await a.script(sql`update public.item set name='longer than five' where id = 9`);
  await show('kick', 'shop', '10');
  await show('status');
  await show('status', 'shop');
  await show('status', '--json', 'shop');
  await c.script(sql`alter table public.item rename name to title`);
  await show('validate', 'shop');
  await new Promise((r) => setTimeout(r, 6000));
  await show('status');
  await show('remove', 'sync', 'shop');
  await show('status');
  await show('stop');
}, 300000);
