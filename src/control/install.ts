/**
 * Makes the control schema and brings it up to date, by numbered migrations that are only ever added to.
 *
 * The first line of a migration is `-- compatible` (an older Tahr can go on working with the result) or
 * `-- breaking` (it must not). Each runs in a transaction of its own, under a lock that lets only one installer
 * work at a time; `migration` records it in that same transaction.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { ReplicationError } from '../model/errors.ts';
import type { Session } from '../pg/session.ts';
import { sql } from '../pg/sql.ts';
import { boolean, integer, row } from './row.ts';

interface SchemaOption {
  /** The schema name of the installation, `tahr` unless the operator chose another. */
  readonly schema: string;
}

interface Migration {
  readonly number: number;
  readonly isBreaking: boolean;
  readonly text: string;
}

/** The first half of every advisory lock of Tahr: "TAHR" in ASCII. */
const advisoryLockClass = 0x54414852;

/** Apart from the schema of the replication objects, which may live in the same database. */
export const controlSchema = (schema: string): string => `${schema}_control`;

/**
 * Safe to run again: applies what is missing. The role must be allowed to create a schema in the database, or own
 * an empty one of the right name.
 * @throws ReplicationError `configuration_invalid`, `already_exists`, `not_installed` (made by a newer Tahr), `server_unsupported`, `privilege_missing`
 */
export const installControl = async (
  session: Session,
  { schema }: SchemaOption,
): Promise<{ applied: number[] }> => {
  checkSchemaName(schema);
  checkServer(session);
  const applied: number[] = [];
  for (const migration of migrations()) {
    if (await apply(session, { schema, migration })) applied.push(migration.number);
  }
  await checkControl(session, { schema });
  return { applied };
};

/** @throws ReplicationError `not_installed` when there is no store, or an older or too new one */
export const checkControl = async (session: Session, { schema }: SchemaOption): Promise<void> => {
  const known = migrations().map(({ number }) => number);
  const done = await appliedMigrations(session, schema);
  if (done.length === 0) throw notInstalled(session, schema, 'holds no Tahr control store');
  if (done.some(({ number, isBreaking }) => isBreaking && !known.includes(number))) {
    throw new ReplicationError('not_installed', {
      message: `The control store in schema ${controlSchema(schema)} of ${session.label} was made by a newer Tahr.`,
      hint: 'Use that version of Tahr here as well.',
      facts: { schema: controlSchema(schema) },
    });
  }
  const missing = known.filter((number) => !done.some((other) => other.number === number));
  if (missing.length > 0) throw notInstalled(session, schema, 'holds the control store of an older Tahr');
};

const notInstalled = (session: Session, schema: string, what: string): ReplicationError =>
  new ReplicationError('not_installed', {
    message: `Schema ${controlSchema(schema)} of ${session.label} ${what}.`,
    facts: { schema: controlSchema(schema) },
  });

/** NAMEDATALEN leaves 63 bytes; the name is a notification channel too. */
const checkSchemaName = (schema: string): void => {
  const problem =
    schema === ''
      ? 'is empty'
      : schema.startsWith('pg_')
        ? 'begins with pg_, which PostgreSQL keeps for itself'
        : Buffer.byteLength(controlSchema(schema)) > 63
          ? 'is longer than 55 bytes'
          : null;
  if (problem === null) return;
  throw new ReplicationError('configuration_invalid', {
    message: `The schema name ${JSON.stringify(schema)} ${problem}.`,
    hint: 'Choose another name with `--schema`.',
    facts: { schema },
  });
};

const checkServer = (session: Session): void => {
  if (session.serverVersion >= 130_000) return;
  throw new ReplicationError('server_unsupported', {
    message: `${session.label} is on PostgreSQL ${Math.floor(session.serverVersion / 10_000)}; the control store needs 13 or newer.`,
    facts: { serverVersion: session.serverVersion },
  });
};

let loaded: readonly Migration[] | null = null;

const migrations = (): readonly Migration[] => {
  const directory = new URL('./sql/migrations/', import.meta.url);
  loaded ??= readdirSync(directory)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => {
      const text = readFileSync(new URL(file, directory), 'utf8');
      return { number: Number.parseInt(file, 10), isBreaking: text.startsWith('-- breaking'), text };
    });
  return loaded;
};

/** True when it was applied, false when it had been before. */
const apply = async (
  session: Session,
  { schema, migration }: SchemaOption & { readonly migration: Migration },
): Promise<boolean> => {
  try {
    await session.script(
      sql`begin`,
      sql`select pg_advisory_xact_lock(${advisoryLockClass}, hashtext(${controlSchema(schema)}))`,
    );
    const isDone = (await appliedMigrations(session, schema)).some(
      ({ number }) => number === migration.number,
    );
    if (!isDone) await run(session, { schema, migration });
    await session.script(sql`commit`);
    return !isDone;
  } catch (error) {
    await session.script(sql`rollback`).catch(() => undefined);
    throw error;
  }
};

const run = async (
  session: Session,
  { schema, migration }: SchemaOption & { readonly migration: Migration },
): Promise<void> => {
  if (migration.number === 1) await makeSchema(session, schema);
  await session.script(
    sql`set local search_path = ${sql.id(controlSchema(schema))}, pg_temp`,
    sql.verbatim(migration.text),
    sql`insert into migration (number, is_breaking) values (${migration.number}, ${migration.isBreaking})`,
  );
  if (migration.number === 1) {
    await session.query(sql`insert into installation (schema_name) values (${schema}::text)`);
  }
};

/** `create schema if not exists` would ask for the right to create also where an administrator has made it. */
const makeSchema = async (session: Session, schema: string): Promise<void> => {
  const name = controlSchema(schema);
  const [found] = await session.query(sql`
    select exists (select from pg_class c where c.relnamespace = n.oid) as "isFilled"
      from pg_namespace n
     where n.nspname = ${name}::text
  `);
  if (found === undefined) await session.query(sql`create schema ${sql.id(name)}`);
  else if (row({ isFilled: boolean })(found).isFilled) {
    throw new ReplicationError('already_exists', {
      message: `Schema ${name} of ${session.label} exists and holds something that is not a Tahr control store.`,
      hint: 'Choose another name with `--schema`, or drop that schema if nothing uses it.',
      facts: { schema: name },
    });
  }
};

const migrationRow = row({ number: integer, isBreaking: boolean });

/** Empty where there is no control store. */
const appliedMigrations = async (
  session: Session,
  schema: string,
): Promise<{ readonly number: number; readonly isBreaking: boolean }[]> => {
  const table = sql.id(controlSchema(schema), 'migration').inlined();
  const [found] = await session.query(sql`select to_regclass(${table}::text) is not null as "isThere"`);
  if (found === undefined || !row({ isThere: boolean })(found).isThere) return [];
  const rows = await session.query(sql`
    select number, is_breaking as "isBreaking"
      from ${sql.id(controlSchema(schema), 'migration')}
     order by number
  `);
  return rows.map((source) => migrationRow(source));
};
