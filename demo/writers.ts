/**
 * The applications of the demo: each site places orders, ships them, changes prices and stock. Now and then all of them
 * change the same product before any can have heard of the others: those are the conflicts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from '../src/pg/sql.ts';
import type { Application } from './application.ts';

export interface Site {
  readonly name: string;
  /** Counted from 0. */
  readonly index: number;
  readonly application: Application;
  /** Committed so far. */
  transactions: number;
}

const siteCount = 3;
const productsPerSite = 70;
export const productCount = siteCount * productsPerSite;

const pick = (count: number): number => 1 + Math.floor(Math.random() * count);
const cities = ['Pokhara', 'Kathmandu', 'Lukla', 'Jomsom', 'Bhaktapur'];
const whileAwayMs = 200;

/** Writes until told to stop, about 100 transactions a second. While its server is away it tries again and again. */
export const runSite = async (site: Site, signal: AbortSignal): Promise<void> => {
  // The number is not used again after a failure: nobody knows whether a transaction was committed when the server went.
  for (let number = 1; !signal.aborted; number += 1) {
    const isDone = await transaction(site, number);
    if (isDone) site.transactions += 1;
    await sleep(isDone ? 4 : whileAwayMs);
  }
};

const transaction = (site: Site, number: number): Promise<boolean> => {
  const dice = Math.random();
  if (dice < 0.4) return placeOrder(site, number);
  if (dice < 0.7) return shipOrder(site);
  if (dice < 0.8) return cancelOrder(site);
  return site.application.run(
    dice < 0.9
      ? sql`update public.product set stock = stock + ${pick(20)} where id = ${ownProduct(site)}`
      : sql`select nextval('public.voucher')`,
  );
};

/** Each site looks after a third of the products, except when the demo wants a conflict. */
const ownProduct = ({ index }: Site): number => siteCount * pick(productsPerSite) - index;

const placeOrder = ({ name, application }: Site, number: number): Promise<boolean> => {
  const city = cities[pick(cities.length) - 1] ?? '';
  const lines = Array.from(
    { length: pick(4) },
    (_, index) => sql`(${name}, ${number}, ${index + 1}, ${pick(productCount)}, ${pick(5)})`,
  );
  return application.run(
    sql`begin`,
    sql`with c as (insert into public.customer (name, city) values (${`Customer ${name}${number}`}, ${city}) returning id)
        insert into public."Order" (shop, number, customer) select ${name}, ${number}, id from c`,
    sql`insert into public.order_line values ${sql.join(lines)}`,
    sql`commit`,
  );
};

const shipOrder = ({ name, application }: Site): Promise<boolean> =>
  application.run(sql`
    update public."Order" set state = 'shipped'
     where shop = ${name} and number = (select min(number) from public."Order" where shop = ${name} and state = 'new')`);

const cancelOrder = ({ name, application }: Site): Promise<boolean> =>
  application.run(sql`
    delete from public."Order"
     where shop = ${name} and number = (select max(number) from public."Order" where shop = ${name} and state = 'new')`);

/** All sites price the same product at the same moment; those whose server is away do not. */
export const provokeConflicts = async (
  applications: readonly Application[],
  signal: AbortSignal,
): Promise<void> => {
  while (!signal.aborted) {
    const id = pick(productCount);
    await Promise.all(
      applications.map((application) =>
        application.run(
          sql`update public.product set price = ${(Math.random() * 100).toFixed(2)}::numeric where id = ${id}`,
        ),
      ),
    );
    await sleep(500);
  }
};
