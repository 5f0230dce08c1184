/** A real schema, written to on both sides: partitions, enums, domains, tsvector, bytea, triggers, foreign keys in a circle. */
import { expect, it } from 'vitest';
import { isReplicationError } from '../../src/model/errors.ts';
import { connect } from '../../src/pg/conninfo.ts';
import { type Sql, sql } from '../../src/pg/sql.ts';
import { startServer } from '../../tools/embedded-postgres.ts';
import { loadDump } from '../support/dump.ts';
import { createGang, type Gang } from '../support/gang.ts';

const dump = process.env['TEST_PAGILA'];
const tables = [
  'actor',
  'address',
  'category',
  'city',
  'country',
  'customer',
  'film',
  'film_actor',
  'film_category',
  'inventory',
  'language',
  'payment',
  'rental',
  'staff',
  'store',
];
const sequences = ['rental_rental_id_seq', 'payment_payment_id_seq', 'customer_customer_id_seq'];
const settings = { fsync: 'off', max_connections: '60' };

const pick = (count: number): number => 1 + Math.floor(Math.random() * count);

/** Ids of A are even and those of B odd, as a shop with two writers would have it. */
const change = (site: string): Sql => {
  const parity = site === 'A' ? 0 : 1;
  const day = `2022-0${pick(7)}-1${pick(9)} 12:00:${pick(59)}+00`;
  const changes: Sql[] = [
    sql`update public.film set title = ${`Film of ${site} ${pick(1e6)}`}, rating = 'PG-13', special_features = array['Trailers', ${site}] where film_id = ${pick(1000)}`,
    sql`update public.customer set email = ${`${site}${pick(1e6)}@example.org`}, activebool = not activebool where customer_id = ${pick(599)}`,
    sql`update public.address set district = ${`District ${pick(99)}`} where address_id between ${pick(600)} and ${pick(600)}`,
    sql`insert into public.payment (payment_id, customer_id, staff_id, rental_id, amount, payment_date)
        values (2 * nextval('public.payment_payment_id_seq') + ${parity}, ${pick(599)}, 1, 1, ${pick(9)}::numeric / 3, ${day}::timestamptz)`,
    sql`update public.payment set payment_date = payment_date + interval '31 days' where payment_id = ${16000 + pick(16000)} and payment_date < '2022-06-01'`,
    sql`insert into public.rental (rental_id, rental_date, inventory_id, customer_id, staff_id)
        values (2 * nextval('public.rental_rental_id_seq') + ${parity}, clock_timestamp(), ${pick(4000)}, ${pick(599)}, 1)`,
    sql`delete from public.payment where payment_id = ${16000 + pick(16000)}`,
    sql`update public.staff set picture = pg_catalog.decode(pg_catalog.md5(${String(pick(1e6))}), 'hex') where staff_id = ${pick(2)}`,
    sql`delete from public.film_actor where film_id = ${pick(1000)} and actor_id = ${pick(200)}`,
    sql`update public.store set last_update = now() where store_id = ${pick(2)}`,
  ];
  return changes[pick(changes.length) - 1] as Sql;
};

const write = async (gang: Gang, site: string, isOver: () => boolean): Promise<number> => {
  const member = gang.sync.members.find(({ database }) => database.name === site);
  await using session = await connect(member?.database.parameters ?? {}, {
    label: site,
    applicationName: 'writer',
  });
  await session.script(sql`set search_path = public`);
  let count = 0;
  while (!isOver()) {
    try {
      await session.script(change(site));
      count += 1;
    } catch (error) {
      // A payment may already be there, or be referenced: the application's own affair.
      if (!isReplicationError(error, 'row_refused') && !isReplicationError(error, 'unique_conflict'))
        throw error;
    }
  }
  return count;
};

if (dump === undefined)
  console.log('pagila: not run, because TEST_PAGILA does not name a dump of the sample database');

it.skipIf(dump === undefined)('Pagila stays equal on two servers under random writes on both', async () => {
  await using a = await startServer({ settings });
  await using b = await startServer({ settings });
  await using gang = await createGang({
    roles: { A: 'source', B: 'source' },
    servers: { A: a, B: b },
    schema: '',
    prepare: (session) => loadDump(session, dump ?? ''),
    tables,
    sequences,
  });
  const endsAt = Date.now() + 8000;
  const isOver = (): boolean => Date.now() > endsAt;
  const writers = [write(gang, 'A', isOver), write(gang, 'B', isOver)];
  let good = 0;
  while (!isOver())
    for (const outcome of Object.values(await gang.round())) {
      if (outcome.kind === 'bad' && !isReplicationError(outcome.error, 'given_way')) throw outcome.error;
      if (outcome.kind === 'good') good += 1;
    }
  const [onA = 0, onB = 0] = await Promise.all(writers);
  await gang.expectEqual();
  expect(good).toBeGreaterThan(5);
  expect(Math.min(onA, onB)).toBeGreaterThan(50);
});
