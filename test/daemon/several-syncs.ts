/** An installation with several syncs from A to B, a table for each, that tells which daemon has written what. */
import { expect, vi } from 'vitest';
import { listDaemons } from '../../src/control/daemon.ts';
import { getInstallation } from '../../src/control/installation.ts';
import { type DaemonId, readLeases } from '../../src/control/lease.ts';
import { rememberRelations } from '../../src/control/relation.ts';
import { addRelGroup } from '../../src/control/relgroup.ts';
import { addSync, type NewSync } from '../../src/control/sync.ts';
import type { DatabaseName } from '../../src/model/topology.ts';
import { sql } from '../../src/pg/sql.ts';
import { createInstallation, install, type TestInstallation } from './installation.ts';

const nameOf = (index: number): string => `t${index + 1}`;

/** `written` on B: when which session has written which table. */
const witness = `
  create table public.written (tbl text, session text, at timestamptz);
  create function public.witness() returns trigger language plpgsql as $$
    begin
      insert into public.written values (tg_table_name, pg_catalog.current_setting('application_name'), pg_catalog.clock_timestamp());
      return null;
    end $$;`;

/** The table `items` is in the sync `shop`; each of the others in a sync of its own name. */
export const createSeveralSyncs = async (
  count: number,
  sync: Partial<NewSync> = {},
): Promise<{ shop: TestInstallation; tables: string[] }> => {
  const others = Array.from({ length: count - 1 }, (_, index) => nameOf(index));
  const tables = ['items', ...others];
  const shop = await createInstallation({
    roles: { A: 'source', B: 'target' },
    schema: tables.map((table) => `create table ${table} (id int primary key, name text)`).join(';'),
    tables: ['items'],
    sync,
  });
  for (const table of others) await addSyncOf(shop, table);
  await shop.run('B', witness);
  for (const table of tables)
    await shop.run(
      'B',
      `create trigger witness after insert or update or delete on ${table} for each statement execute function public.witness();
       alter table ${table} enable always trigger witness`,
    );
  return { shop, tables };
};

const addSyncOf = (shop: TestInstallation, table: string): Promise<void> =>
  shop.store.transaction(async (db) => {
    const relation = { schema: 'public', name: table };
    const foundIn = 'A' as DatabaseName;
    const relations = await rememberRelations(db, [{ kind: 'table', relation, foundIn }]);
    await addRelGroup(
      db,
      table,
      relations.map(({ id }) => id),
    );
    const added = await addSync(db, {
      ...shop.sync,
      name: table,
      relgroup: table,
    });
    await install(added, (await getInstallation(db)).id);
  });

/** Who holds the leases, by sync, in the order of their names. */
export const holders = async ({ store }: TestInstallation): Promise<(DaemonId | null)[]> =>
  (await store.transaction(readLeases)).map(({ holder }) => holder);

/** Waits until the daemons hold so many leases each, the one that started first first. */
export const sharedOut = async (shop: TestInstallation, counts: readonly number[]): Promise<DaemonId[]> =>
  vi.waitFor(
    async () => {
      const daemons = (await shop.store.transaction(listDaemons)).map(({ id }) => id);
      const held = await holders(shop);
      expect(daemons.map((id) => held.filter((holder) => holder === id).length)).toEqual(counts);
      return daemons;
    },
    { timeout: 40_000, interval: 50 },
  );

/** Waits until the tables hold the same rows on both. */
export const equalTables = (shop: TestInstallation, tables: readonly string[], timeoutMs = 30_000) =>
  vi.waitFor(
    async () => {
      for (const table of tables) expect(await shop.rows('B', table)).toEqual(await shop.rows('A', table));
    },
    { timeout: timeoutMs, interval: 50 },
  );

export interface Witnessed {
  readonly table: string;
  readonly daemon: string;
  readonly atMs: number;
}

/** What was written on B, by the daemons that have written it. */
export const witnessed = async (shop: TestInstallation): Promise<Witnessed[]> => {
  const session = await shop.database('B').session();
  const rows = await session.query(
    sql`select tbl, right(session, 36) as daemon, extract(epoch from at) * 1000 as at from public.written order by at`,
  );
  await session.close();
  return rows.map((row) => ({
    table: row['tbl'] ?? '',
    daemon: row['daemon'] ?? '',
    atMs: Number(row['at']),
  }));
};
