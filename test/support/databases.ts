/** A fresh database for a test: dropped when the test passed, kept and named when it failed. */
import { randomBytes } from 'node:crypto';
import { inject, onTestFinished, TestRunner } from 'vitest';
import type { ConnectionParameters } from '../../src/model/topology.ts';
import { connect } from '../../src/pg/conninfo.ts';
import type { Session } from '../../src/pg/session.ts';
import { type Sql, sql } from '../../src/pg/sql.ts';

export interface TestDatabase extends AsyncDisposable {
  readonly name: string;
  readonly parameters: ConnectionParameters;
  /** A new session of the superuser, closed with the database. */
  session(applicationName?: string): Promise<Session>;
  drop(): Promise<void>;
}

/**
 * On the server that all tests share; the hint becomes part of the name. Made inside a test, it is dropped when the
 * test has passed and kept when it failed; made elsewhere (`beforeAll`), it is dropped when it is disposed of.
 */
export const createDatabase = async (hint = 'test'): Promise<TestDatabase> => {
  const database = await databaseOn({ parameters: inject('sharedServer') }, hint);
  if (TestRunner.getCurrentTest() === undefined)
    return { ...database, [Symbol.asyncDispose]: () => database.drop() };
  onTestFinished(async ({ task }) => {
    await database[Symbol.asyncDispose]();
    if (task.result?.state !== 'fail') return database.drop();
    const { host, port } = database.parameters;
    console.error(
      `The test failed; its database is kept while the run lasts: host=${host} port=${port} dbname=${database.name}`,
    );
  });
  return database;
};

/** On a server that the test has started, and that takes its databases with it. */
export const databaseOn = async (
  server: { readonly parameters: ConnectionParameters },
  hint = 'test',
): Promise<TestDatabase> => {
  const name = `${hint}_${randomBytes(4).toString('hex')}`;
  await administer(server.parameters, sql`create database ${sql.id(name)}`);
  return existingDatabase(server, name);
};

/** A database that is there already. */
export const existingDatabase = (
  server: { readonly parameters: ConnectionParameters },
  name: string,
): TestDatabase => {
  const parameters = { ...server.parameters, dbname: name };
  const sessions: Session[] = [];
  const closeSessions = async (): Promise<void> => {
    await Promise.all(sessions.splice(0).map((session) => session.close()));
  };
  return {
    name,
    parameters,
    async session(applicationName = 'test') {
      const session = await connect(parameters, { label: name, applicationName });
      sessions.push(session);
      return session;
    },
    async drop() {
      await closeSessions();
      await administer(server.parameters, sql`drop database if exists ${sql.id(name)} with (force)`);
    },
    [Symbol.asyncDispose]: closeSessions,
  };
};

const administer = async (parameters: ConnectionParameters, statement: Sql): Promise<void> => {
  await using session = await connect(parameters, {
    label: 'the test server',
    applicationName: 'test support',
  });
  await session.script(statement);
};
