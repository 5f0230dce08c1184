/** Databases for one repetition: made fresh, dropped afterwards, on two servers that stay. */
import type { ConnectionParameters } from '../src/model/topology.ts';
import { connect } from '../src/pg/conninfo.ts';
import type { Session } from '../src/pg/session.ts';
import { type Sql, sql } from '../src/pg/sql.ts';
import type { ProfileSink } from './tahr.ts';

/** Where databases can be made, by whoever `parameters` names. */
export interface Place {
  readonly parameters: ConnectionParameters;
}

export interface BenchDatabase {
  readonly name: string;
  /** As Tahr reaches it. */
  readonly parameters: ConnectionParameters;
  /** The application's session, or the benchmark's own for what it looks at. */
  readonly session: Session;
}

const open = async (parameters: ConnectionParameters, label: string): Promise<Session> => {
  const session = await connect(parameters, { label, applicationName: 'bench' });
  await session.script(sql`set search_path = public`);
  return session;
};

export class Arena implements AsyncDisposable {
  readonly control: ConnectionParameters;
  readonly profileSink: ProfileSink | null;
  readonly #databases = new Map<string, BenchDatabase>();
  readonly #places: ReadonlyMap<string, Place>;

  private constructor(
    places: ReadonlyMap<string, Place>,
    control: ConnectionParameters,
    profileSink: ProfileSink | null,
  ) {
    this.#places = places;
    this.control = control;
    this.profileSink = profileSink;
  }

  /** @param places by the short name of the database that is made there; the control database is beside the first one */
  static async open(places: ReadonlyMap<string, Place>, profileSink: ProfileSink | null): Promise<Arena> {
    const [first] = places.values();
    if (first === undefined) throw new Error('an arena without databases');
    const control = { ...first.parameters, dbname: nameOf('control') };
    const arena = new Arena(places, control, profileSink);
    await administer(first, sql`create database ${sql.id(nameOf('control'))}`);
    for (const name of places.keys()) await arena.#create(name);
    return arena;
  }

  on(name: string): BenchDatabase {
    const database = this.#databases.get(name);
    if (database === undefined) throw new Error(`no database ${name}`);
    return database;
  }

  /** Another session of the application, which whoever asks for it closes. */
  another(name: string): Promise<Session> {
    return open(this.#parametersOf(name), name);
  }

  /** From now on Tahr is told to reach the database by way of this address. Sessions of the application go there directly. */
  lead(name: string, address: Pick<ConnectionParameters, 'host' | 'port'>): void {
    const database = this.on(name);
    this.#databases.set(name, { ...database, parameters: { ...database.parameters, ...address } });
  }

  /** The same statements on every database; they are read as they are. */
  async runEverywhere(statements: string): Promise<void> {
    for (const { session } of this.#databases.values()) await session.script(sql.verbatim(statements));
  }

  /** What was done before must not be paid for by what is measured next. */
  async settle(): Promise<void> {
    for (const { session } of this.#databases.values()) await session.script(sql`checkpoint`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [name, { session }] of this.#databases) {
      await session.close();
      await this.#drop(name);
    }
    const [first] = this.#places.values();
    if (first !== undefined) await drop(first, nameOf('control'));
  }

  async #create(name: string): Promise<void> {
    const place = this.#placeOf(name);
    await administer(place, sql`create database ${sql.id(nameOf(name))}`);
    const parameters = this.#parametersOf(name);
    this.#databases.set(name, { name, parameters, session: await open(parameters, name) });
  }

  #parametersOf(name: string): ConnectionParameters {
    return { ...this.#placeOf(name).parameters, dbname: nameOf(name) };
  }

  #drop(name: string): Promise<void> {
    return drop(this.#placeOf(name), nameOf(name));
  }

  #placeOf(name: string): Place {
    const place = this.#places.get(name);
    if (place === undefined) throw new Error(`no place for ${name}`);
    return place;
  }
}

const nameOf = (name: string): string => `tahr_bench_${name.toLowerCase()}`;

const drop = (place: Place, name: string): Promise<void> =>
  administer(place, sql`drop database if exists ${sql.id(name)} with (force)`);

const administer = async ({ parameters }: Place, statement: Sql): Promise<void> => {
  await using session = await connect(parameters, { label: 'a server', applicationName: 'bench' });
  await session.script(statement);
};
