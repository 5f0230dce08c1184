import { describe, expect, test } from 'vitest';
import { plainSync } from '../../test/support/sync-definition.ts';
import { createDatabase } from '../../test/support/databases.ts';
import type { DatabaseName, RelationKind } from '../model/topology.ts';
import { sql } from '../pg/sql.ts';
import { addDatabase, listDatabases, removeDatabase, updateDatabase, withoutSecrets } from './database.ts';
import type { Db } from './db.ts';
import { addDbGroup, getDbGroup, removeDbGroup, setDbGroupMembers } from './dbgroup.ts';
import { installControl } from './install.ts';
import {
  listRelations,
  rememberRelation,
  rememberRelations,
  removeRelation,
  updateRelation,
} from './relation.ts';
import { addRelGroup, listRelGroups, removeRelGroup, setRelGroupMembers } from './relgroup.ts';
import { type ControlStore, openControlStore } from './store.ts';
import { loadSyncDefinition, loadSyncDefinitions } from './sync-definition.ts';
import { addSync, removeSync, updateSync } from './sync.ts';

const openStore = async (): Promise<ControlStore> => {
  const database = await createDatabase('control');
  await installControl(await database.session(), { schema: 'tahr' });
  return openControlStore({ connect: () => database.session(), schema: 'tahr' });
};

const add = (db: Db, name: string, parameters: Record<string, string> = { host: 'h', dbname: name }) =>
  addDatabase(db, { name, status: 'active', parameters, makedelta: false });

const found = (name: string, kind: RelationKind = 'table') => ({
  kind,
  relation: { schema: 'public', name },
  foundIn: 'A' as DatabaseName,
});

const newSync = (name: string) =>
  ({
    name,
    relgroup: 'shop',
    dbgroup: 'pair',
    ...plainSync,
  }) as const;

/** Databases A and B as `pair`, tables t1 and t2 as `shop`, sync `orders`. */
const addShop = async (db: Db) => {
  await add(db, 'A');
  await add(db, 'B');
  await addDbGroup(db, 'pair', [
    { database: 'B', role: 'source' },
    { database: 'A', role: 'target' },
  ]);
  const relations = await rememberRelations(db, [found('t2'), found('t1')]);
  await addRelGroup(
    db,
    'shop',
    relations.map(({ id }) => id),
  );
  return addSync(db, newSync('orders'));
};

describe('databases', () => {
  test('keep what was given, references to passwords included', async () => {
    await using store = await openStore();
    const parameters = { host: '/run/x', password: '${env:SECRET}' };
    const added = await store.transaction((db) => add(db, 'A', parameters));
    expect(added).toMatchObject({ name: 'A', status: 'active', parameters, makedelta: false });
    expect(await store.transaction(listDatabases)).toEqual([added]);
  });

  test('passwords are not among the parameters that may be shown', () => {
    expect(withoutSecrets({ host: 'h', password: 'p', sslpassword: 's' })).toEqual({ host: 'h' });
  });

  test('an update changes what it names and nothing else', async () => {
    await using store = await openStore();
    const added = await store.transaction((db) => add(db, 'A'));
    const updated = await store.transaction((db) => updateDatabase(db, 'A', { status: 'inactive' }));
    expect(updated).toEqual({ ...added, status: 'inactive' });
  });

  test('an identifier is never given twice', async () => {
    await using store = await openStore();
    const before = await store.transaction((db) => add(db, 'A'));
    await store.transaction((db) => removeDatabase(db, 'A'));
    const after = await store.transaction((db) => add(db, 'A'));
    expect(after.id).toBeGreaterThan(before.id);
  });

  test.each(['1a', 'a-b', '', 'a b', 'é'])('the name %j is refused', async (name) => {
    await using store = await openStore();
    await expect(store.transaction((db) => add(db, name))).rejects.toMatchObject({ code: 'name_invalid' });
  });

  test('a name that is taken is refused', async () => {
    await using store = await openStore();
    await store.transaction((db) => add(db, 'A'));
    await expect(store.transaction((db) => add(db, 'A'))).rejects.toMatchObject({ code: 'already_exists' });
  });

  test('one that was added by another command at the same moment is named, not a constraint', async () => {
    await using store = await openStore();
    await store.transaction((db) => add(db, 'A'));
    const blind = store.transaction((db) =>
      db.run(sql`insert into db (name, status, parameters, makedelta) values ('A', 'active', '{}', false)`),
    );
    await expect(blind).rejects.toMatchObject({ code: 'already_exists' });
  });

  test('one that a dbgroup uses cannot go, and the dbgroup is named', async () => {
    await using store = await openStore();
    await store.transaction(addShop);
    await expect(store.transaction((db) => removeDatabase(db, 'A'))).rejects.toMatchObject({
      code: 'in_use',
      facts: { users: 'dbgroup pair' },
    });
  });

  test('one that is not there is not found', async () => {
    await using store = await openStore();
    await expect(store.transaction((db) => removeDatabase(db, 'Z'))).rejects.toMatchObject({
      code: 'not_found',
      message: 'There is no database named "Z".',
    });
  });
});

describe('dbgroups', () => {
  test('members keep the order and the roles that were given', async () => {
    await using store = await openStore();
    await store.transaction(addShop);
    const members = [
      { database: 'A', role: 'source', priority: 0 },
      { database: 'B', role: 'fullcopy', priority: 0 },
    ] as const;
    await store.transaction((db) => setDbGroupMembers(db, 'pair', members));
    expect(await store.transaction((db) => getDbGroup(db, 'pair'))).toEqual({ name: 'pair', members });
  });

  test('a member with a higher priority comes first', async () => {
    await using store = await openStore();
    await store.transaction(addShop);
    await store.transaction((db) =>
      setDbGroupMembers(db, 'pair', [
        { database: 'A', role: 'source' },
        { database: 'B', role: 'source', priority: 1 },
      ]),
    );
    const { members } = await store.transaction((db) => getDbGroup(db, 'pair'));
    expect(members.map(({ database }) => database)).toEqual(['B', 'A']);
  });

  test('a member that is no database is refused, and the group stays as it was', async () => {
    await using store = await openStore();
    await store.transaction(addShop);
    const change = store.transaction((db) =>
      setDbGroupMembers(db, 'pair', [{ database: 'Z', role: 'source' }]),
    );
    await expect(change).rejects.toMatchObject({ code: 'not_found' });
    expect((await store.transaction((db) => getDbGroup(db, 'pair'))).members).toHaveLength(2);
  });

  test('a member that is named twice is refused', async () => {
    await using store = await openStore();
    await store.transaction(addShop);
    const twice = { database: 'A', role: 'source' } as const;
    await expect(
      store.transaction((db) => setDbGroupMembers(db, 'pair', [twice, twice])),
    ).rejects.toMatchObject({
      code: 'usage',
    });
  });

  test('one that a sync uses cannot go', async () => {
    await using store = await openStore();
    await store.transaction(addShop);
    await expect(store.transaction((db) => removeDbGroup(db, 'pair'))).rejects.toMatchObject({
      code: 'in_use',
      facts: { users: 'sync orders' },
    });
  });
});

describe('relations', () => {
  test('one that is found again is the same', async () => {
    await using store = await openStore();
    await store.transaction((db) => add(db, 'A'));
    const first = await store.transaction((db) => rememberRelation(db, found('t1')));
    const again = await store.transaction((db) => rememberRelation(db, found('t1')));
    expect(again).toEqual(first);
    expect(first).toMatchObject({ kind: 'table', relation: { schema: 'public', name: 't1' }, foundIn: 'A' });
  });

  test('names of any kind come back as they were, in the order in which they were given', async () => {
    await using store = await openStore();
    await store.transaction((db) => add(db, 'A'));
    const names = ['Order "Lines"', 'été', "it's", 'back\\slash', 'a,b', 'NULL'];
    const relations = await store.transaction((db) =>
      rememberRelations(
        db,
        names.map((name) => found(name)),
      ),
    );
    expect(relations.map(({ relation }) => relation.name)).toEqual(names);
    expect(await store.transaction(listRelations)).toHaveLength(names.length);
  });

  test('a table that is known as a sequence is refused', async () => {
    await using store = await openStore();
    await store.transaction((db) => add(db, 'A'));
    await store.transaction((db) => rememberRelation(db, found('x', 'sequence')));
    await expect(store.transaction((db) => rememberRelation(db, found('x')))).rejects.toMatchObject({
      code: 'already_exists',
    });
  });

  test('one that a sync replicates cannot go; one in an idle relgroup leaves it', async () => {
    await using store = await openStore();
    await store.transaction(addShop);
    const t1 = { schema: 'public', name: 't1' };
    await expect(store.transaction((db) => removeRelation(db, t1))).rejects.toMatchObject({
      code: 'in_use',
      facts: { users: 'relgroup shop of sync orders' },
    });
    await store.transaction((db) => removeSync(db, 'orders'));
    await store.transaction((db) => removeRelation(db, t1));
    const [shop] = await store.transaction(listRelGroups);
    expect(shop?.relations.map(({ relation }) => relation.name)).toEqual(['t2']);
  });

  test('the settings of a table reach the sync', async () => {
    await using store = await openStore();
    const before = await store.transaction(addShop);
    const table = before.relations[0];
    await store.transaction(async (db) => {
      if (table !== undefined) await updateRelation(db, table.id, { keyIndex: 'i', makedelta: true });
    });
    const after = await store.transaction((db) => loadSyncDefinition(db, 'orders'));
    expect(after.relations[0]).toEqual({ ...table, keyIndex: 'i', makedelta: true });
  });
});

describe('relgroups', () => {
  test('an empty name is refused, and any other is allowed', async () => {
    await using store = await openStore();
    await expect(store.transaction((db) => addRelGroup(db, ' ', []))).rejects.toMatchObject({
      code: 'name_invalid',
    });
    await store.transaction((db) => addRelGroup(db, 'my tables!', []));
    expect(await store.transaction(listRelGroups)).toEqual([{ name: 'my tables!', relations: [] }]);
  });

  test('members are replaced, in the order given', async () => {
    await using store = await openStore();
    const { relations } = await store.transaction(addShop);
    const ids = relations.map(({ id }) => id).toReversed();
    const group = await store.transaction((db) => setRelGroupMembers(db, 'shop', ids));
    expect(group.relations.map(({ id }) => id)).toEqual(ids);
  });

  test('one that a sync uses cannot go', async () => {
    await using store = await openStore();
    await store.transaction(addShop);
    await expect(store.transaction((db) => removeRelGroup(db, 'shop'))).rejects.toMatchObject({
      code: 'in_use',
    });
  });
});

describe('syncs', () => {
  test('are loaded with members and relations in the order of their groups', async () => {
    await using store = await openStore();
    const added = await store.transaction(addShop);
    expect(await store.transaction(loadSyncDefinitions)).toEqual([added]);
    expect(added).toMatchObject({
      name: 'orders',
      status: 'active',
      isPaused: false,
      relgroup: 'shop',
      dbgroup: 'pair',
      members: [
        { role: 'source', database: { name: 'B', status: 'active', parameters: { host: 'h', dbname: 'B' } } },
        { role: 'target', database: { name: 'A' } },
      ],
      relations: [{ relation: { name: 't2' }, keyIndex: null }, { relation: { name: 't1' } }],
      checktimeMs: null,
      overdueMs: null,
      expiredMs: null,
      analyzeAfterCopy: true,
      vacuumAfterCopy: false,
      rebuildIndex: false,
      strictChecking: false,
      deleteMethod: 'delete',
      cron: null,
      cronSince: null,
      onetimecopy: 0,
      copyGeneration: 0,
      copies: [],
    });
  });

  test('names differ by more than upper and lower case', async () => {
    await using store = await openStore();
    await store.transaction(addShop);
    await expect(store.transaction((db) => addSync(db, newSync('ORDERS')))).rejects.toMatchObject({
      code: 'already_exists',
    });
    expect(await store.transaction((db) => loadSyncDefinition(db, 'Orders'))).toMatchObject({
      name: 'orders',
    });
  });

  test.each(['pushdelta', 'FullCopy', 'swap', 'Sync', '1st', 'a-b'])(
    'the name %j is refused',
    async (name) => {
      await using store = await openStore();
      await store.transaction(addShop);
      await expect(store.transaction((db) => addSync(db, newSync(name)))).rejects.toMatchObject({
        code: 'name_invalid',
      });
    },
  );

  test('the schema refuses reserved and malformed names too', async () => {
    await using store = await openStore();
    await store.transaction(addShop);
    const rename = (name: string) =>
      store.transaction((db) => db.run(sql`update sync set name = ${name}::text`));
    await expect(rename('Swap')).rejects.toMatchObject({ code: 'name_invalid' });
    await expect(rename('a b')).rejects.toMatchObject({ code: 'name_invalid' });
  });

  test('each request for a copy raises the generation, and switching it off does not', async () => {
    await using store = await openStore();
    await store.transaction(addShop);
    const request = (onetimecopy: 0 | 1 | 2) =>
      store.transaction((db) => updateSync(db, 'orders', { onetimecopy }));
    expect(await request(1)).toMatchObject({ onetimecopy: 1, copyGeneration: 1 });
    expect(await request(1)).toMatchObject({ onetimecopy: 1, copyGeneration: 2 });
    expect(await request(0)).toMatchObject({ onetimecopy: 0, copyGeneration: 2 });
  });

  test('an update can take a value away', async () => {
    await using store = await openStore();
    await store.transaction(addShop);
    await store.transaction((db) => updateSync(db, 'orders', { checktimeMs: 5000, isPaused: true }));
    const after = await store.transaction((db) => updateSync(db, 'orders', { checktimeMs: null }));
    expect(after).toMatchObject({ checktimeMs: null, isPaused: true });
  });

  test('one that is removed and added again is another', async () => {
    await using store = await openStore();
    const before = await store.transaction(addShop);
    await store.transaction((db) => removeSync(db, 'orders'));
    const after = await store.transaction((db) => addSync(db, newSync('orders')));
    expect(after.id).not.toBe(before.id);
  });

  test('a group that does not exist is refused by name', async () => {
    await using store = await openStore();
    await expect(store.transaction((db) => addSync(db, newSync('orders')))).rejects.toMatchObject({
      code: 'not_found',
      facts: { kind: 'relgroup', name: 'shop' },
    });
  });
});
