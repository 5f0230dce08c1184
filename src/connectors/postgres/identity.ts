/**
 * Whose schema it is: everything that Tahr keeps on a database lies in one schema, which belongs to one installation and
 * to one database of it. What another or an earlier installation left behind is found and named, never used.
 */
import { ReplicationError } from '../../model/errors.ts';
import type { DatabaseId } from '../../model/topology.ts';
import type { Session } from '../../pg/session.ts';
import { sql } from '../../pg/sql.ts';
import { initialControlWord } from './control-word.ts';
import { ensureShape } from './delta.ts';
import { program } from './program.ts';

/** Whose schema it is: an installation, and the number that the database has in it. */
export interface SchemaOwner {
  readonly schema: string;
  readonly installation: string;
  readonly database: DatabaseId;
}

/** Trigger names, the channel and the setting `<schema>.apply` are made of it, unquoted. */
const schemaName = /^[a-z_][a-z0-9_]{0,29}$/;

/**
 * Makes the schema with everything that Tahr keeps on a database, unless it is there.
 * @returns whether it was made by this call
 * @throws ReplicationError `foreign_installation` when it is there and not ours
 */
export const installSchema = async (session: Session, owner: SchemaOwner): Promise<boolean> => {
  if (!schemaName.test(owner.schema))
    throw new ReplicationError('configuration_invalid', {
      message: `"${owner.schema}" cannot be the schema of an installation`,
      hint: 'Use at most 30 lower-case letters, digits and underscores, beginning with a letter.',
    });
  await session.script(sql`begin`, sql`select pg_advisory_xact_lock(hashtextextended(${owner.schema}, 0))`);
  try {
    const isNew = !(await checkOwner(session, owner));
    if (isNew) await createSchema(session, owner);
    await session.script(sql`commit`);
    return isNew;
  } catch (error) {
    await session.script(sql`rollback`).catch(() => undefined);
    throw error;
  }
};

/** False on a database that was restored without what Tahr kept on it, or made anew. */
export const isInstalled = async (session: Session, schema: string): Promise<boolean> => {
  const [row] = await session.query(
    sql`select to_regclass(${`${schema}.identity`}) is not null as is_installed`,
  );
  return row?.['is_installed'] === 't';
};

const createSchema = async (
  session: Session,
  { schema, installation, database }: SchemaOwner,
): Promise<void> => {
  await session.script(program('installation.sql', { schema: sql.id(schema) }));
  await session.script(program('merge.sql', { schema: sql.id(schema) }));
  await session.script(
    sql`insert into ${sql.id(schema, 'identity')} (installation, database) values (${installation}::uuid, ${database}::int)`,
    sql`select setval(${`${schema}.control`}::regclass, ${initialControlWord})`,
  );
  await ensureShape(session, schema, []);
};

/**
 * Makes a database that was restored from a dump a source again. What was read from the original means nothing here, so
 * nobody is registered as a reader any more: a position that is not made anew is refused, whatever its numbers.
 */
export const adoptRestored = (session: Session, schema: string): Promise<unknown> =>
  session.script(
    sql`begin`,
    sql`update ${sql.id(schema, 'identity')} set made_by = pg_current_xact_id(), incarnation = incarnation + 1`,
    sql`delete from ${sql.id(schema, 'consumer')}`,
    sql`commit`,
  );

/**
 * True when the schema is there and ours, false when it is not there.
 * @throws ReplicationError `foreign_installation` when it is somebody else's
 */
export const checkOwner = async (session: Session, owner: SchemaOwner): Promise<boolean> => {
  const [found] = await session.query(sql`
    select n.oid, to_regclass(${`${owner.schema}.identity`}) is not null as has_identity
      from pg_namespace n where n.nspname = ${owner.schema}::name`);
  if (found === undefined) return false;
  const otherSchema = 'Give this installation another schema (--schema, or schema: in tahr.yaml)';
  const drop = `drop schema ${owner.schema} cascade;`;
  if (found['has_identity'] !== 't')
    throw foreign(session, owner, {
      whose: 'was not made by Tahr',
      hint: `${otherSchema}, or rename that one.`,
    });
  const [identity] = await session.query(
    sql`select installation, database from ${sql.id(owner.schema, 'identity')}`,
  );
  if (identity?.['installation'] !== owner.installation)
    throw foreign(session, owner, {
      whose: `belongs to the Tahr installation ${identity?.['installation'] ?? 'without a name'}`,
      hint: `${otherSchema}. Only if nothing uses the other one any more: ${drop} (its capture triggers go with it).`,
    });
  if (Number(identity['database']) !== owner.database)
    throw foreign(session, owner, {
      whose: `belongs to the database number ${identity['database']} of this installation, not to number ${owner.database}`,
      hint: `It is the same database under another name (use that name), or a copy of it; in a copy: ${drop}`,
    });
  return true;
};

const foreign = (
  session: Session,
  { schema }: SchemaOwner,
  { whose, hint }: { readonly whose: string; readonly hint: string },
): ReplicationError =>
  new ReplicationError('foreign_installation', {
    message: `${session.label}: the schema "${schema}" ${whose}.`,
    hint,
    facts: { database: session.label, schema },
  });
