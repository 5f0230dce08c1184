/**
 * A daemon that is cut off from the control database, without a word, while it replicates, and another one that is not.
 *
 * Seen to fail: with `isHeld` of the lease clock always true the first goes on writing after its leases have ended, and after the second
 * has taken over.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { sql } from '../../src/pg/sql.ts';
import { createProxy } from '../support/proxy.ts';
import { startProcess } from './daemon-process.ts';
import type { TestInstallation } from './installation.ts';
import { createSeveralSyncs, equalTables, sharedOut, type Witnessed, witnessed } from './several-syncs.ts';

/** When the leases of a daemon end, by the clock of the server that they are all on. */
const leasesEndAt = async ({ control }: TestInstallation, daemon: string): Promise<number> => {
  const session = await control.session();
  const [row] = await session.query(sql`
    select extract(epoch from max(expires_at)) * 1000 as ends_at from tahr_control.lease where daemon = ${daemon}::uuid`);
  await session.close();
  return Number(row?.['ends_at']);
};

test('it stops to write before its leases end, the other takes over after that, and later they share again', async () => {
  const { shop, tables } = await createSeveralSyncs(2);
  const proxy = await createProxy(shop.control);
  startProcess(shop, proxy.parameters);
  await sharedOut(shop, [2]);
  startProcess(shop);
  const [first = '', second = ''] = await sharedOut(shop, [1, 1]);
  const stopping = new AbortController();
  const writing = (async (): Promise<void> => {
    for (let id = 0; !stopping.signal.aborted; id += 1) {
      await shop.run('A', tables.map((table) => `insert into ${table} values (${id}, 'x')`).join(';'));
      await sleep(20);
    }
  })();
  const writtenBy = async (daemon: string): Promise<Witnessed[]> =>
    (await witnessed(shop)).filter((one) => one.daemon === daemon);
  const hasWritten = (daemon: string, isOurs: (one: Witnessed) => boolean = () => true): Promise<void> =>
    vi.waitFor(async () => expect((await writtenBy(daemon)).filter(isOurs).length).toBeGreaterThan(5), {
      timeout: 30_000,
      interval: 100,
    });
  await hasWritten(first);
  proxy.freeze();
  const frozenAt = Date.now();
  // A renewal that was on its way has arrived by then.
  await sleep(1_000);
  const endsAt = await leasesEndAt(shop, first);
  await sharedOut(shop, [2]);
  expect(Date.now() - frozenAt).toBeLessThan(15_000);
  const last = (await writtenBy(first)).at(-1);
  await hasWritten(second, ({ table }) => table === last?.table);
  expect((await writtenBy(first)).at(-1), 'the first writes nothing any more').toEqual(last);
  const taken = (await writtenBy(second)).find(({ table }) => table === last?.table);
  expect(last?.atMs).toBeGreaterThan(frozenAt);
  expect(last?.atMs).toBeLessThan(endsAt);
  expect(taken?.atMs).toBeGreaterThan(endsAt);
  proxy.thaw();
  await sharedOut(shop, [1, 1]);
  stopping.abort();
  await writing;
  await equalTables(shop, tables);
}, 180_000);
