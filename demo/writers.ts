/**
 * The applications of the demo: each site places orders, ships them, changes prices and stock. Now and then both change
 * the same product before either can have heard of the other: those are the conflicts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Session } from '../src/pg/session.ts';
import { sql } from '../src/pg/sql.ts';

export interface Site {
  readonly name: string;
  readonly session: Session;
  transactions: number;
}

export const productCount = 200;

const pick = (count: number): number => 1 + Math.floor(Math.random() * count);
const cities = ['Pokhara', 'Kathmandu', 'Lukla', 'Jomsom', 'Bhaktapur'];

/** Writes until told to stop, about 200 transactions a second. */
export const runSite = async (site: Site, isOver: () => boolean): Promise<void> => {
  for (let number = 1; !isOver(); number += 1) {
    await transaction(site, number);
    site.transactions += 1;
    await sleep(4);
  }
};

const transaction = async (site: Site, number: number): Promise<void> => {
  const dice = Math.random();
  if (dice < 0.4) return placeOrder(site, number);
  if (dice < 0.7) return shipOrder(site);
  if (dice < 0.8) return cancelOrder(site);
  await site.session.script(
    dice < 0.9
      ? sql`update public.product set stock = stock + ${pick(20)} where id = ${ownProduct(site)}`
      : sql`select nextval('public.voucher')`,
  );
};

/** Each site looks after half of the products, except when the demo wants a conflict. */
const ownProduct = (site: Site): number => 2 * pick(productCount / 2) - (site.name === 'A' ? 1 : 0);

const placeOrder = async ({ name, session }: Site, number: number): Promise<void> => {
  const city = cities[pick(cities.length) - 1] ?? '';
  const lines = Array.from(
    { length: pick(4) },
    (_, index) => sql`(${name}, ${number}, ${index + 1}, ${pick(productCount)}, ${pick(5)})`,
  );
  await session.script(
    sql`begin`,
    sql`with c as (insert into public.customer (name, city) values (${`Customer ${name}${number}`}, ${city}) returning id)
        insert into public."Order" (shop, number, customer) select ${name}, ${number}, id from c`,
    sql`insert into public.order_line values ${sql.join(lines)}`,
    sql`commit`,
  );
};

const shipOrder = async ({ name, session }: Site): Promise<void> => {
  await session.script(sql`
    update public."Order" set state = 'shipped'
     where shop = ${name} and number = (select min(number) from public."Order" where shop = ${name} and state = 'new')`);
};

const cancelOrder = async ({ name, session }: Site): Promise<void> => {
  await session.script(sql`
    delete from public."Order"
     where shop = ${name} and number = (select max(number) from public."Order" where shop = ${name} and state = 'new')`);
};

/** Both sites price the same product at the same moment. */
export const provokeConflicts = async (sites: readonly Site[], isOver: () => boolean): Promise<void> => {
  while (!isOver()) {
    const id = pick(productCount);
    await Promise.all(
      sites.map(({ session }) =>
        session.script(
          sql`update public.product set price = ${(Math.random() * 100).toFixed(2)}::numeric where id = ${id}`,
        ),
      ),
    );
    await sleep(500);
  }
};
