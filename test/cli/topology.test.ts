/** Databases, groups, tables: what is known, before anything is replicated. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { createInstallation, type Installation, settings } from './tahr.ts';

let installation: Installation;
let shop: TestDatabase;

beforeAll(async () => {
  installation = await createInstallation();
  shop = await createDatabase('shop');
  const session = await shop.session();
  await session.script(
    sql`create schema sales`,
    sql`create table public.customer (id serial primary key, name text)`,
    sql`create table public.orders (id int primary key, total numeric)`,
    sql`create table public."Order Lines" (id int primary key)`,
    sql`create table sales.orders (id int primary key)`,
    sql`create table public.event (id int, day date, primary key (id, day)) partition by range (day)`,
    sql`create table public.event_2026 partition of public.event for values from ('2026-01-01') to ('2027-01-01')`,
    sql`create view public.customer_view as select id from public.customer`,
  );
  await session.close();
});

afterAll(async () => {
  await installation[Symbol.asyncDispose]();
  await shop[Symbol.asyncDispose]();
});

describe('install', () => {
  test('a second time changes nothing', async () => {
    expect(await installation.ok('install')).toBe('Schema tahr_control is up to date.\n');
  });

  test('is asked for where the control database has no store', async () => {
    const run = await installation.tahr('--schema', 'other', 'list', 'dbs');
    expect(run).toMatchObject({ code: 1, stdout: '' });
    expect(run.stderr).toContain('holds no Tahr control store.\n  Run `tahr install`.');
  });
});

describe('db', () => {
  test('is connected to, told about, and listed without its password', async () => {
    const added = await installation.ok('add', 'db', 'A', ...settings(shop.parameters), 'password=secret1');
    expect(added).toMatch(
      /^Added database "A"\n {2}PostgreSQL 18\.\d+, database shop_\w+, as superuser postgres\n$/,
    );
    const listed = await installation.ok('list', 'databases', '--verbose');
    expect(listed).toContain('Database: A  Status: active  Conn: psql -p ');
    expect(listed).toContain('(password stored)');
    expect(listed + (await installation.ok('list', 'db', '--json'))).not.toContain('secret1');
  });

  test('is listed with the limit to what may wait for it', async () => {
    expect(await installation.ok('list', 'db', 'A', '--verbose')).not.toContain('Queue');
    const changed = await installation.ok('update', 'db', 'A', 'queue_limit=2GB,1d', 'queue_policy=release');
    expect(changed).toContain('queue_limit is 2.0 GB, 1d now\nqueue_policy is release now\n');
    expect(await installation.ok('list', 'db', 'A', '--verbose')).toContain(
      '\n  Queue limit: 2.0 GB, 1d  Queue policy: release\n',
    );
    expect(JSON.parse(await installation.ok('list', 'db', 'A', '--json'))).toMatchObject([
      { queue: { limit: { bytes: 2_000_000_000, ageMs: 86_400_000 }, policy: 'release' } },
    ]);
    await installation.ok('update', 'db', 'A', 'queue_limit=none', 'queue_policy=default');
    expect(await installation.ok('list', 'db', 'A', '--verbose')).not.toContain('Queue');
  });

  test('that exists is not added again', async () => {
    const run = await installation.tahr('add', 'db', 'A', ...settings(shop.parameters));
    expect(run.code).toBe(1);
    expect(run.stderr).toContain('A database named "A" exists already.');
  });

  test('that cannot be reached is refused without the password being shown, and added with --force', async () => {
    const words = [
      'add',
      'db',
      'Z',
      'host=127.0.0.1',
      'port=1',
      'dbname=nowhere',
      'user=u',
      'password=secret2',
    ];
    const refused = await installation.tahr(...words);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('Connection to database "Z" failed');
    expect(refused.stderr).toContain('use --force');
    expect(refused.stderr).not.toContain('secret2');
    expect(await installation.ok('list', 'db', 'Z')).toBe('No matching databases found\n');
    expect(await installation.ok(...words, '--force')).toContain('Not tested');
    expect(await installation.ok('remove', 'db', 'Z')).toBe('Removed database "Z"\n');
  });

  test('with an unknown key is refused with the nearest key', async () => {
    const run = await installation.tahr('add', 'db', 'Y', 'dbnam=x');
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('`tahr add db` has no setting "dbnam". Did you mean "dbname"?');
  });

  test('without a database name is refused', async () => {
    const run = await installation.tahr('add', 'db', 'Y', 'host=localhost');
    expect(run).toMatchObject({ code: 2 });
    expect(run.stderr).toContain('Cannot add database "Y"');
  });

  test('several in one command get the elements of lists in turn', async () => {
    const { dbname = '', ...rest } = shop.parameters;
    await installation.ok(
      'add',
      'db',
      'M1,M2',
      ...settings(rest),
      `dbname=${dbname},${dbname}`,
      'group=pair',
    );
    expect(await installation.ok('list', 'dbgroups', 'pair')).toBe(
      'dbgroup: pair  Members: M1:source M2:target\n',
    );
    await installation.ok('remove', 'dbgroup', 'pair');
    await installation.ok('remove', 'db', 'M*');
  });

  test('says what an update changed, but not how a password did', async () => {
    const out = await installation.ok('update', 'db', 'A', 'password=other', 'status=inactive');
    expect(out).toContain('Changed status from active to inactive\nChanged password\n');
    await installation.ok('update_db', 'A', 'status=active', 'password=');
    expect(await installation.ok('list', 'db')).not.toContain('password');
  });

  test('with a value that is none of those allowed is refused', async () => {
    const run = await installation.tahr('update', 'db', 'A', 'status=stalled');
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('Invalid value "stalled" for status: it must be active or inactive.');
  });

  test('with a name that is none is refused for its name, before anything else', async () => {
    const run = await installation.tahr('add', 'db', 'a b', 'host=127.0.0.1');
    expect(run.code).toBe(1);
    expect(run.stderr).toContain('The database name "a b" is not allowed');
  });

  test('in a dbgroup is not removed, and the command that takes it out is named', async () => {
    await installation.ok('add', 'dbgroup', 'g', 'A:source');
    const alone = await installation.tahr('remove', 'db', 'A');
    expect(alone.code).toBe(1);
    expect(alone.stderr).toContain('dbgroup g');
    expect(alone.stderr).toContain('`tahr remove dbgroup g`');
    await installation.ok('add', 'db', 'Spare', ...settings(shop.parameters));
    await installation.ok('add', 'dbgroup', 'g', 'Spare:target');
    const run = await installation.tahr('remove', 'db', 'Spare');
    expect(run.stderr).toContain('Take it out first: `tahr update dbgroup g A:source`.');
    await installation.ok('update', 'dbgroup', 'g', 'A:source');
    await installation.ok('remove', 'db', 'Spare');
    await installation.ok('remove', 'dbgroup', 'g');
  });
});

describe('dbgroup', () => {
  test('takes members with roles, and an update replaces them', async () => {
    await installation.ok('add', 'db', 'B', ...settings(shop.parameters));
    expect(await installation.ok('add', 'dbgroup', 'two', 'A:master', 'B')).toBe(
      'Created dbgroup "two"\nAdded database "A" to dbgroup "two" as source\nAdded database "B" to dbgroup "two" as target\n',
    );
    expect(await installation.ok('update', 'dbgroup', 'two', 'B:source')).toBe(
      'Changed role of database "B" in dbgroup "two" from target to source\nRemoved database "A" from dbgroup "two"\n',
    );
    await installation.ok('remove', 'dbgroup', 'two');
  });

  test('with an unknown database is refused, and no group remains', async () => {
    const run = await installation.tahr('add', 'dbgroup', 'bad', 'A', 'Nobody');
    expect(run.code).toBe(1);
    expect(run.stderr).toContain('There is no database named "Nobody".');
    expect(await installation.ok('list', 'dbgroups')).toBe('No dbgroups have been added yet\n');
  });

  test('with an unknown role is refused', async () => {
    const run = await installation.tahr('add', 'dbgroup', 'bad', 'A:king');
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('A role is one of: source, target, fullcopy.');
  });
});

describe('table', () => {
  test('is found by name in every schema, and put into a new relgroup', async () => {
    expect(await installation.ok('add', 'tables', 'orders', '"Order Lines"', 'db=A', 'herd=r')).toBe(
      [
        'Added the following tables or sequences:',
        '  public.orders',
        '  sales.orders',
        '  public."Order Lines"',
        'Created the relgroup named "r"',
        'The following tables or sequences are now part of the relgroup "r":',
        '  public.orders',
        '  sales.orders',
        '  public."Order Lines"',
        '',
      ].join('\n'),
    );
    expect(await installation.ok('list', 'relgroups')).toBe(
      'Relgroup: r  Members: public.orders, sales.orders, public."Order Lines"\n',
    );
  });

  test('that does not exist is refused with the nearest name, and nothing of the command is done', async () => {
    const run = await installation.tahr('add', 'table', 'customer', 'custmer', 'relgroup=fresh');
    expect(run).toMatchObject({ code: 1, stdout: '' });
    expect(run.stderr).toContain('Database A has no table named "custmer". Did you mean "customer"?');
    expect(await installation.ok('list', 'table', 'customer')).toBe('No matching tables found\n');
    expect(await installation.ok('list', 'relgroup', 'fresh')).toBe('There are no matching relgroups.\n');
  });

  test('that is a view is refused for what it is', async () => {
    const run = await installation.tahr('add', 'table', 'customer_view');
    expect(run.code).toBe(1);
    expect(run.stderr).toContain('public.customer_view on database A is a view, not a table.');
  });

  test('takes settings, which the list shows', async () => {
    await installation.ok('update', 'table', 'sales.orders', 'conflict_strategy=A B', 'makedelta=on');
    expect(await installation.ok('list', 'tables', 'sales.*')).toBe(
      '1. Table: sales.orders  DB: A  Relgroups: r  Conflict strategy: A B  (makedelta on)\n',
    );
    expect(
      await installation.ok('update', 'table', 'sales.orders', 'ghost=on', 'priority=2', 'rebuild_index=on'),
    ).toContain('sales.orders: Changed rebuild_index from default to true');
    expect(await installation.ok('list', 'tables', 'sales.*')).toContain(
      '(makedelta on)  (ghost)  Priority: 2\n',
    );
    const run = await installation.tahr('update', 'table', 'orders', 'conflict_strategy=bucardo_newest');
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('bucardo_newest');
  });

  test('all of them are added but partitions, within the schemas that are chosen', async () => {
    const out = await installation.ok(
      'add',
      'all',
      'tables',
      'db=A',
      '-n',
      'public',
      '-T',
      'orders',
      '--dry-run',
    );
    expect(out).toBe(
      'Added table public.customer\nAdded table public.event\nNew tables added: 2\nAlready added: 1\nDry run: all of this was rolled back.\n',
    );
    expect(await installation.ok('add', 'tables', 'all', 'relgroup=everything')).toContain(
      'New tables added: 2\nAlready added: 3',
    );
    expect(await installation.ok('add', 'all', 'sequences')).toBe(
      'Added sequence public.customer_id_seq\nNew sequences added: 1\n',
    );
  });

  test('without a usable key is added with a note that says so', async () => {
    await using session = await shop.session();
    await session.script(
      sql`create table public.loose (code text unique)`,
      sql`create table public.bare (note text)`,
    );
    const out = await installation.ok('add', 'table', 'loose', 'bare', 'customer', '--dry-run');
    expect(out).toContain(
      'Note: public.loose has no usable key: unique index "loose_code_key" has a column "code" that allows NULL.',
    );
    expect(out).toContain('ALTER COLUMN … SET NOT NULL');
    expect(out).toContain('Note: public.bare has no usable key');
    expect(out).not.toContain('public.customer has no usable key');
    expect(await installation.ok('add', 'all', 'tables', '-t', 'bare', '--dry-run')).toContain(
      'Note: public.bare has no usable key',
    );
  });

  test('is taken out of a relgroup, or forgotten', async () => {
    await installation.ok('remove', 'table', 'sales.orders', 'relgroup=everything');
    expect(await installation.ok('list', 'relgroup', 'everything')).not.toContain('sales.orders');
    expect(await installation.ok('remove', 'table', 'sales.orders')).toBe(
      'Removed the following tables:\n  sales.orders\n',
    );
    const run = await installation.tahr('remove', 'table', 'sales.orders');
    expect(run.code).toBe(1);
    expect(run.stderr).toContain('There is no table named "sales.orders" here.');
  });
});
