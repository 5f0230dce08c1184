/** The shop and its servers. */
import { readFile } from 'node:fs/promises';
import { connect } from '../src/pg/conninfo.ts';
import type { Session } from '../src/pg/session.ts';
import { sql } from '../src/pg/sql.ts';
import type { Server } from '../tools/embedded-postgres.ts';
import { productCount } from './writers.ts';

export interface Place {
  readonly name: string;
  readonly server: Server;
}

/** Beside the shop of the first place. */
export const controlDatabase = 'tahr_control';

export const connectTo = ({ name, server }: Place, dbname = 'shop'): Promise<Session> =>
  connect({ ...server.parameters, dbname }, { label: name, applicationName: 'demo' });

/** The same schema and the same products everywhere; all rows after that come through replication. */
export const createShop = async (place: Place): Promise<void> => {
  await using administrator = await connectTo(place, 'postgres');
  await administrator.script(sql`create database shop`);
  if (place.name === 'A') await administrator.script(sql`create database ${sql.id(controlDatabase)}`);
  await using session = await connectTo(place);
  const schema = await readFile(new URL('shop.sql', import.meta.url), 'utf8');
  await session.script(sql`set search_path = public`, sql.verbatim(schema));
  await session.script(sql`
    insert into product select n, 'Product ' || n, 10 + n % 90, 100 from generate_series(1, ${productCount}::integer) n`);
};
