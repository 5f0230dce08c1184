/**
 * A source that was set back, and the way on: the operator says which side is right, and everything goes on from there.
 *
 * Seen to fail, one guard of `judgeLineage` taken out at a time: without the comparison of incarnations, the source that had made a
 * checkpoint was read on as if nothing had been; without that of where the server began, those whose readers had acknowledged
 * nothing; without both and that of the transaction ids, all.
 */
import { execFileSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { expect, it, vi } from 'vitest';
import { acknowledge } from '../../src/connectors/postgres/consumer.ts';
import type { DatabaseId } from '../../src/model/topology.ts';
import { sql } from '../../src/pg/sql.ts';
import { startServer } from '../../tools/embedded-postgres.ts';
import { createGang, type Gang } from '../support/gang.ts';

vi.setConfig({ testTimeout: 180_000 });

const schema = 'create table orders (id int primary key, note text)';

/** With their owner, who need not be the one who runs the test. */
const copyFiles = (from: string, to: string): void => {
  execFileSync('cp', ['-a', from, to]);
};

/** The daemon's order after a copy was asked for: its source, those that are copied to, then all. */
const copyInOrder = async (gang: Gang, ...names: string[]): Promise<void> => {
  await gang.update({ onetimecopy: 1, copyGeneration: gang.sync.copyGeneration + 1 });
  for (const name of names) expect(await gang.round(name), name).toMatchObject({ [name]: { kind: 'good' } });
  await gang.update({ onetimecopy: 0 });
};

it('a source that was restored from an older backup is recognised, and heals by a copy from the side that is right', async () => {
  await using a = await startServer();
  await using gang = await createGang({
    roles: { A: 'source', B: 'source', C: 'target' },
    servers: { A: a },
    schema,
    tables: ['orders'],
  });
  await gang.run('A', `insert into orders values (1, 'before')`);
  await gang.settle();
  await a.stop();
  copyFiles(a.dataDirectory, `${a.dataDirectory}.backup`);
  await a.start();
  await gang.reconnect();
  await gang.run('A', `insert into orders select n, 'after' from generate_series(2, 2000) n`);
  await gang.run('B', `insert into orders values (5000, 'on B')`);
  await gang.settle();

  await a.stop();
  await rm(a.dataDirectory, { recursive: true });
  copyFiles(`${a.dataDirectory}.backup`, a.dataDirectory);
  await a.start();
  await gang.reconnect();
  await expect(gang.round()).rejects.toMatchObject({ code: 'position_lost', facts: { source: 'A' } });
  await gang.run('B', `insert into orders values (5001, 'on B, meanwhile')`);
  await expect(gang.round('C')).rejects.toMatchObject({ code: 'position_lost', facts: { source: 'A' } });
  // Until somebody has decided nothing is brought back to A, and nothing that A lacks is taken from the others.
  expect(await gang.rows('A', 'orders')).toHaveLength(1);
  expect(await gang.rows('B', 'orders')).toHaveLength(2002);
  expect(await gang.rows('C', 'orders')).toHaveLength(2001);

  const [first, second, ...targets] = gang.sync.members;
  await gang.update({ members: [second, first, ...targets].filter((member) => member !== undefined) });
  await copyInOrder(gang, 'B', 'A', 'C');
  await gang.run('A', `insert into orders values (6000, 'goes on')`);
  await gang.run('B', `update orders set note = 'goes on' where id = 1`);
  await gang.expectEqual();
  expect(await gang.rows('C', 'orders')).toHaveLength(2003);
});

it('a source that was set back is recognised also after its transaction ids have caught up', async () => {
  await using a = await startServer();
  await using gang = await createGang({
    roles: { A: 'source', B: 'target' },
    servers: { A: a },
    schema,
    tables: ['orders'],
  });
  const acknowledged = async (): Promise<void> => {
    const [position] = await gang
      .on('B')
      .query(sql`select pos::text, incarnation from tahr.position order by seq desc limit 1`);
    const consumer = { sync: gang.sync.id, database: gang.sync.members[1]?.database.id as DatabaseId };
    const moved = { snapshot: position?.['pos'] ?? '', incarnation: BigInt(position?.['incarnation'] ?? 0) };
    await gang.on('A').script(acknowledge('tahr', consumer, moved));
  };
  await a.stop();
  copyFiles(a.dataDirectory, `${a.dataDirectory}.backup`);
  await a.start();
  await gang.reconnect();
  await gang.run('A', `insert into orders values (1, 'one')`);
  await gang.settle();
  await acknowledged();
  await gang.run('A', `insert into orders values (2, 'two')`);
  await gang.settle();

  await a.stop();
  await rm(a.dataDirectory, { recursive: true });
  copyFiles(`${a.dataDirectory}.backup`, a.dataDirectory);
  await a.start();
  await gang.reconnect();
  for (let id = 1; id <= 50; id += 1)
    await gang.run('A', `insert into orders values (${id}, repeat('other', 300))`);
  await gang.run('A', 'checkpoint');
  await acknowledged();
  await expect(gang.round('B')).rejects.toMatchObject({ code: 'position_lost' });
});

it.each([
  { image: 'the files of the stopped server', isCrashed: false },
  { image: 'a snapshot of its storage', isCrashed: true },
])(
  'a source that was set back by $image is recognised after it ran further than it was, though its readers had acknowledged nothing',
  async ({ isCrashed }) => {
    await using a = await startServer();
    await using gang = await createGang({
      roles: { A: 'source', B: 'target' },
      servers: { A: a },
      schema,
      tables: ['orders'],
    });
    await (isCrashed ? a.kill() : a.stop());
    copyFiles(a.dataDirectory, `${a.dataDirectory}.backup`);
    await a.start();
    await gang.reconnect();
    await gang.run('A', `insert into orders values (1, 'one')`);
    await gang.settle();

    await a.stop();
    await rm(a.dataDirectory, { recursive: true });
    copyFiles(`${a.dataDirectory}.backup`, a.dataDirectory);
    await a.start();
    await gang.reconnect();
    for (let id = 1; id <= 50; id += 1) await gang.run('A', `insert into orders values (${id}, 'other')`);
    if (isCrashed) await gang.run('A', 'checkpoint');
    await expect(gang.round('B')).rejects.toMatchObject({ code: 'position_lost' });
  },
);

it('the restored side can be the one that is copied', async () => {
  await using gang = await createGang({
    roles: { A: 'source', B: 'source', C: 'target' },
    schema,
    tables: ['orders'],
  });
  await gang.run('A', `insert into orders values (1, 'one'), (2, 'two')`);
  await gang.settle();
  // What dump and restore leave behind: the rows, and an identity that another transaction has written.
  await gang.run(
    'A',
    'update tahr.identity set incarnation = incarnation; delete from orders where id = 2; truncate tahr.d_1_0',
  );
  await gang.reconnect();
  await expect(gang.round()).rejects.toMatchObject({ code: 'position_lost' });
  await copyInOrder(gang, 'A', 'B', 'C');
  await gang.expectEqual();
  expect(await gang.rows('B', 'orders')).toEqual(['(1,one)']);
});

it('a copy that is asked for again keeps what the others have changed and the first does not know', async () => {
  await using gang = await createGang({
    roles: { A: 'source', B: 'source', C: 'target' },
    schema,
    tables: ['orders'],
  });
  await gang.run('A', `insert into orders values (1, 'one')`);
  await gang.settle();
  await gang.run('B', `insert into orders values (2, 'only on B')`);
  await copyInOrder(gang, 'A', 'B', 'C');
  await gang.expectEqual();
  expect(await gang.rows('A', 'orders')).toEqual(['(1,one)', '(2,"only on B")']);
});
