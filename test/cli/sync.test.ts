/** Syncs from the command line: added with everything that they need on the databases, or not at all. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { createInstallation, type Installation, settings } from './tahr.ts';

let installation: Installation;
const databases: Record<string, TestDatabase> = {};

const tables = [
  sql`create table item (id int primary key, name text)`,
  sql`create table stock (id int primary key, amount int)`,
  sql`create table keyless (name text)`,
  sql`create table nullable (code text unique)`,
  sql`create sequence number`,
];

/** Which tables have capture triggers there. */
const capturedOn = async (name: string): Promise<string[]> => {
  await using session = await (databases[name] as TestDatabase).session();
  const rows = await session.query(sql`
    select distinct c.relname as name from pg_trigger t join pg_class c on c.oid = t.tgrelid
     where not t.tgisinternal order by 1`);
  return rows.map((row) => row['name'] ?? '');
};

const rowCount = async (database: string, table: string): Promise<number> => {
  await using session = await (databases[database] as TestDatabase).session();
  const rows = await session.query(sql`select from ${sql.id('tahr', table)}`);
  return rows.length;
};

beforeAll(async () => {
  installation = await createInstallation();
  for (const name of ['A', 'B', 'C']) {
    const database = await createDatabase(`sync_${name.toLowerCase()}`);
    databases[name] = database;
    await using session = await database.session();
    await session.script(sql`set search_path = public`, ...tables);
    await installation.ok('add', 'db', name, ...settings(database.parameters));
  }
});

afterAll(async () => {
  await installation[Symbol.asyncDispose]();
  for (const database of Object.values(databases)) await database[Symbol.asyncDispose]();
});

describe('add sync', () => {
  test('installs capture on sources, and is listed', async () => {
    const out = await installation.ok(
      'add',
      'sync',
      'shop',
      'tables=item,number',
      'dbs=A:source,B:source,C:target',
    );
    expect(out).toContain('Added sync "shop"\nCreated dbgroup "shop"\n');
    expect(await capturedOn('A')).toEqual(['item']);
    expect(await capturedOn('B')).toEqual(['item']);
    expect(await capturedOn('C')).toEqual([]);
    expect(await installation.ok('list', 'syncs')).toBe(
      'Sync "shop"  Relgroup "shop"  DB group "shop" A:source B:source C:target  [Active]\n',
    );
  });

  test('of a name that is taken, in whatever case, is refused', async () => {
    const run = await installation.tahr('add', 'sync', 'SHOP', 'relgroup=shop', 'dbgroup=shop');
    expect(run.code).toBe(1);
    expect(run.stderr).toContain('A sync named "shop" exists already.');
  });

  test('leaves nothing behind when a table has no key, and names every table that has none', async () => {
    const run = await installation.tahr('add', 'sync', 'bad', 'tables=stock,keyless,nullable', 'dbs=A,B');
    expect(run).toMatchObject({ code: 1, stdout: '' });
    expect(run.stderr).toContain('public.keyless on A');
    expect(run.stderr).toContain('public.nullable on A');
    expect(await capturedOn('A')).toEqual(['item']);
    for (const noun of ['syncs', 'relgroups', 'dbgroups'])
      expect(await installation.ok('list', noun)).not.toContain('bad');
  });

  test('with a table that does not exist is refused', async () => {
    const run = await installation.tahr('add', 'sync', 'bad', 'tables=items', 'dbs=A,B');
    expect(run).toMatchObject({ code: 1 });
    expect(run.stderr).toContain('Database A has no table or sequence named "items". Did you mean "item"?');
  });

  test('with a database that does not exist is refused', async () => {
    const run = await installation.tahr('add', 'sync', 'bad', 'tables=item', 'dbs=A,Q');
    expect(run).toMatchObject({ code: 1 });
    expect(run.stderr).toContain('There is no database named "Q".');
  });

  test.each([
    [['tables=item'], 'Need to specify which dbgroup (or list of databases) for this sync.'],
    [['dbs=A,B'], 'Must specify a relgroup (or a list of tables) for this sync.'],
    [['tables=item', 'dbs=A,B', 'conflict_strategy=bucardo_newest'], 'bucardo_random'],
    [['tables=item', 'dbs=A:source,B', 'conflict_strategy=B A'], 'Unknown conflict_strategy "B A"'],
    [['tables=item', 'dbs=A,B', 'onetimecopy=3'], 'Invalid value "3" for onetimecopy'],
    [['tables=item', 'dbs=A,B', 'checktime=soon'], 'Invalid value "soon" for checktime'],
    [['tables=item', 'dbs=A:target,B'], 'has the role source'],
    [['tables=item', 'dbs=A'], 'has one database only'],
    [['tables=item', 'dbs=A,B', 'autokik=on'], 'Did you mean "autokick"?'],
    [['item', 'dbs=A,B'], 'A sync has one name, but "item" follows "bad".'],
  ])('with %j is refused as usage', async (words, sentence) => {
    const run = await installation.tahr('add', 'sync', 'bad', ...words);
    expect(run).toMatchObject({ code: 2, stdout: '' });
    expect(run.stderr).toContain(sentence);
  });

  test('with a name that is reserved or not a name is refused', async () => {
    const reserved = await installation.tahr('add', 'sync', 'pushdelta', 'tables=item', 'dbs=A,B');
    expect(reserved.code).toBe(1);
    expect(reserved.stderr).toContain('"pushdelta" is not allowed');
    const odd = await installation.tahr('add', 'sync', 'my-sync', 'tables=item', 'dbs=A,B');
    expect(odd.code).toBe(1);
    expect(odd.stderr).toContain('"my-sync" is not allowed');
  });

  test('with --dry-run checks everything and changes nothing', async () => {
    const out = await installation.ok('add', 'sync', 'dry', 'tables=stock', 'dbs=A,B', '--dry-run');
    expect(out).toContain('Dry run: all of this was rolled back.');
    expect(await capturedOn('A')).toEqual(['item']);
    expect(await installation.ok('list', 'sync', 'dry')).toBe('No syncs found\n');
  });

  test('with a copy says which database is copied, and what is deleted', async () => {
    const words = ['add', 'sync', 'dry', 'tables=stock', 'dbs=B:source,A:source,C:target', '--dry-run'];
    expect(await installation.ok(...words, 'onetimecopy=1')).toContain(
      'The copy goes from B to A, C: rows that B lacks are deleted there.\nChanges made since the sync was added are kept',
    );
    expect(await installation.ok(...words, 'onetimecopy=2')).toContain('into tables that are empty there.');
    expect(await installation.ok(...words)).not.toContain('copy');
  });
});

describe('update sync', () => {
  test('says what it changed', async () => {
    const out = await installation.ok(
      'update',
      'sync',
      'shop',
      'conflict_strategy=B,A',
      'checktime=90',
      'overdue=5m',
      'expired=1h',
      'autokick=off',
    );
    expect(out).toBe(
      [
        'shop: Changed conflict_strategy from bucardo_latest to B A',
        'shop: Changed autokick from on to off',
        'shop: Changed checktime from none to 1m 30s',
        'shop: Changed overdue from none to 5m',
        'shop: Changed expired from none to 1h',
        '',
      ].join('\n'),
    );
    expect(await installation.ok('update', 'sync', 'shop', 'autokick=off')).toBe('shop: No change needed\n');
  });

  test('says the limit to what may wait, and list shows it', async () => {
    const listed = () => installation.ok('list', 'sync', 'shop', '--verbose');
    expect(await listed()).not.toContain('Queue');
    expect(await installation.ok('update', 'sync', 'shop', 'queue_limit=12h')).toBe(
      'shop: queue_limit is 12h now\n',
    );
    expect(await listed()).toContain('\n  Queue limit: 12h\n');
    expect(JSON.parse(await installation.ok('list', 'sync', 'shop', '--json'))).toMatchObject([
      { name: 'shop', queue: { limit: { bytes: null, ageMs: 43_200_000 }, policy: null } },
    ]);
    await installation.ok('update', 'sync', 'shop', 'queue_limit=none');
    expect(await listed()).not.toContain('Queue');
  });

  test('takes settings that have nothing to set here, and says why', async () => {
    expect(await installation.ok('update', 'sync', 'shop', 'stayalive=off', 'txnmode=serializable')).toBe(
      [
        'shop: No change needed',
        '  Note: stayalive has no effect: a daemon keeps all of its syncs at work.',
        '  Note: isolation_level has no effect: rounds read in one snapshot, and lock what they decide about.',
        '',
      ].join('\n'),
    );
  });

  test('asks for a copy each time that onetimecopy is given', async () => {
    expect(await installation.ok('update', 'sync', 'shop', 'onetimecopy=2')).toContain(
      'A copy was asked for',
    );
    expect(await installation.ok('update', 'sync', 'shop', 'onetimecopy=2')).toContain(
      'A copy was asked for',
    );
    const [sync] = JSON.parse(await installation.ok('list', 'syncs', '--json')) as {
      copyGeneration: number;
    }[];
    expect(sync?.copyGeneration).toBe(2);
    expect(await installation.ok('update', 'sync', 'shop', 'onetimecopy=1', '--dry-run')).toContain(
      'shop: The copy goes from A to B, C: rows that A lacks are deleted there.',
    );
  });

  test('installs what a database has lost when a copy is asked for', async () => {
    const copy = () => installation.ok('update', 'sync', 'shop', 'onetimecopy=1');
    expect(await copy()).not.toContain('Installed sync "shop" again');
    await using a = await (databases['A'] as TestDatabase).session();
    await using c = await (databases['C'] as TestDatabase).session();
    // As after dump and restore: a row that another transaction wrote; and one that left out what is not a table of the user.
    await a.script(sql`update tahr.identity set incarnation = incarnation`);
    await c.script(sql`drop schema tahr cascade`);
    expect(await copy()).toContain('Installed sync "shop" again');
    expect(
      await a.query(
        sql`select made_by::text::numeric % 4294967296 = xmin::text::numeric as is_own from tahr.identity`,
      ),
    ).toEqual([{ is_own: 't' }]);
    expect(await rowCount('C', 'position')).toBe(2);
    await c.script(sql`delete from tahr.position`);
    expect(await copy()).toContain('Installed sync "shop" again');
  });

  test('captures a table that joins, and captures one no longer that leaves', async () => {
    await installation.ok('update', 'sync', 'shop', 'tables=item,number,stock');
    expect(await capturedOn('A')).toEqual(['item', 'stock']);
    await installation.ok('remove', 'table', 'stock', 'relgroup=shop');
    expect(await capturedOn('A')).toEqual(['item']);
  });

  test('is refused when the strategy prefers a database that would be no source any more', async () => {
    const run = await installation.tahr('update', 'sync', 'shop', 'dbs=A:source,C:target');
    expect(run).toMatchObject({ code: 2, stdout: '' });
    expect(run.stderr).toContain('Unknown conflict_strategy "B A"');
    expect(await capturedOn('B')).toEqual(['item']);
  });

  test('takes everything away from a database that leaves', async () => {
    await installation.ok('update', 'sync', 'shop', 'dbs=A:source,C:target', 'conflict_strategy=default');
    expect(await capturedOn('B')).toEqual([]);
    expect(await rowCount('B', 'position')).toBe(0);
    await installation.ok('update', 'sync', 'shop', 'dbs=A:source,B:source,C:target');
    expect(await capturedOn('B')).toEqual(['item']);
  });

  test('does not change a group that another sync uses as well', async () => {
    await installation.ok('add', 'sync', 'second', 'tables=stock', 'dbgroup=shop');
    const run = await installation.tahr('update', 'sync', 'second', 'dbs=A:source,B:target');
    expect(run.code).toBe(1);
    expect(run.stderr).toContain('The dbgroup "shop" of sync "second" is also used by shop.');
    await installation.ok('remove', 'sync', 'second');
    expect(await capturedOn('A')).toEqual(['item']);
  });

  test('that names no sync, or no change, is refused', async () => {
    const unknown = await installation.tahr('update', 'sync', 'shp', 'autokick=on');
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain('There is no sync named "shp". Did you mean "shop"?');
    expect((await installation.tahr('update', 'sync', 'shop')).code).toBe(2);
  });
});

describe('validate', () => {
  test('says OK for a sync that fits', async () => {
    expect(await installation.ok('validate', 'all')).toBe('Validating sync shop .. OK\n');
  });

  test('tells all that is wrong at once, and exits with 1', async () => {
    await using session = await (databases['C'] as TestDatabase).session();
    await session.script(sql`alter table public.item rename name to title`, sql`drop sequence public.number`);
    await installation.ok('update', 'sync', 'shop', 'status=inactive');
    const run = await installation.tahr('validate', 'shop', '--json');
    expect(run.code).toBe(1);
    const [result] = JSON.parse(run.stdout) as {
      isFit: boolean;
      findings: { code: string; message: string }[];
    }[];
    expect(result?.isFit).toBe(false);
    expect(result?.findings.map(({ code }) => code).sort()).toEqual(
      expect.arrayContaining(['relation_missing', 'schema_differs']),
    );
    await session.script(
      sql`alter table public.item rename title to name`,
      sql`create sequence public.number`,
    );
    await installation.ok('update', 'sync', 'shop', 'activate');
  });
});

describe('without a daemon', () => {
  test('status says so and exits with 3', async () => {
    const run = await installation.tahr('status');
    expect(run.code).toBe(3);
    expect(run.stdout).toContain('Daemon: not running; `tahr start` starts it');
    expect(run.stdout).toContain(' shop | no daemon (unhealthy) | none');
    const details = await installation.tahr('status', 'shop');
    expect(details.code).toBe(3);
    expect(details.stdout).toContain('Current state                 : no daemon (unhealthy)');
  });

  test('a kick is refused', async () => {
    const run = await installation.tahr('kick', 'shop', '5');
    expect(run).toMatchObject({ code: 1, stdout: '' });
    expect(run.stderr).toContain('Nothing was kicked: no daemon is running');
  });

  test('stop has nothing to do', async () => {
    expect(await installation.ok('stop')).toBe('No daemon is running.\n');
  });

  test('wishes are kept for the next daemon', async () => {
    expect(await installation.ok('pause', 'shop')).toContain('Syncs paused: shop\nNo daemon is running');
    expect(await installation.ok('list', 'syncs')).toContain('[Paused]');
    expect((await installation.tahr('kick', 'shop')).stderr).toContain('Cannot kick paused sync "shop".');
    expect(await installation.ok('resume', 'sync', 'shop')).toContain('Syncs resumed: shop');
    expect(await installation.ok('deactivate', 'sho*')).toContain('Deactivated sync shop');
    const refused = await installation.tahr('pause', 'shop');
    expect(refused.stderr).toContain(
      'Cannot pause or resume sync "shop" unless it is active (currently "inactive").',
    );
    expect(await installation.ok('activate', 'all')).toContain('Activated sync shop');
  });
});

describe('remove sync', () => {
  test('is not done where a sync uses the database or group', async () => {
    for (const [noun, name] of [
      ['dbgroup', 'shop'],
      ['relgroup', 'shop'],
      ['table', 'item'],
    ] as const) {
      const run = await installation.tahr('remove', noun, name);
      expect(run.code).toBe(1);
      expect(run.stderr).toContain('sync shop');
    }
  });

  test('takes everything away, and tells what to run on a database that is away', async () => {
    await installation.ok('update', 'db', 'C', 'port=1', '--force');
    const run = await installation.tahr('remove', 'sync', 'shop');
    expect(run).toMatchObject({ code: 0, stdout: 'Removed sync "shop"\n' });
    expect(run.stderr).toContain('Database "C" still keeps what sync "shop" needed there');
    expect(run.stderr).toMatch(/delete from "tahr"/);
    expect(await capturedOn('A')).toEqual([]);
    expect(await rowCount('A', 'consumer')).toBe(0);
    expect(await installation.ok('list', 'syncs')).toBe('No syncs have been added yet\n');
  });
});

describe('uninstall db', () => {
  const hasSchema = async (name: string): Promise<boolean> => {
    await using session = await (databases[name] as TestDatabase).session();
    const rows = await session.query(sql`select from pg_namespace where nspname = 'tahr'`);
    return rows.length === 1;
  };

  test('is not done while a sync uses the database', async () => {
    await installation.ok('add', 'sync', 'again', 'tables=item', 'dbs=A:source,B:target');
    const { code, stderr } = await installation.tahr('uninstall', 'db', 'B', 'A');
    expect(code).toBe(1);
    expect(stderr).toContain('The database "B" is still used by sync again.');
    expect(await hasSchema('A')).toBe(true);
    await installation.ok('remove', 'sync', 'again');
  });

  test('leaves nothing, may be done twice, and tells what to run on a database that is away', async () => {
    const { code, stdout, stderr } = await installation.tahr('uninstall', 'db', 'A', 'C', 'B');
    expect(code).toBe(1);
    expect(stdout).toBe('Uninstalled from database "A"\nUninstalled from database "B"\n');
    expect(stderr).toContain('Database "C" was left as it is: ');
    expect(stderr).toContain('    drop schema if exists "tahr" cascade;');
    expect([await hasSchema('A'), await hasSchema('B')]).toEqual([false, false]);
    expect(await capturedOn('A')).toEqual([]);
    expect(await installation.ok('uninstall', 'db', 'A')).toBe('Database "A" has nothing of Tahr\n');
  });

  test('is undone by the next sync', async () => {
    await installation.ok('add', 'sync', 'again', 'tables=item', 'dbs=A:source,B:target');
    expect(await capturedOn('A')).toEqual(['item']);
  });
});
