/**
 * Every failure that Tahr names. The catalogue is the documentation: `docs/errors.md` is generated from it.
 *
 * `retry` says who acts: `backoff` — the daemon tries again by itself, for ever; `manual` — the sync waits until
 * the cause is gone and looks for that itself, but a person has to remove the cause; `never` — the command that
 * failed changed nothing and the same words will fail again.
 */
export type Retry = 'backoff' | 'manual' | 'never';

interface CatalogueEntry {
  readonly retry: Retry;
  /** What it means, for somebody who sees it for the first time. */
  readonly meaning: string;
  /** What to do. */
  readonly action: string;
}

export const errorCatalogue = {
  // Using Tahr
  usage: {
    retry: 'never',
    meaning: 'The command line is not one that Tahr understands.',
    action: 'Read the sentence; `tahr help VERB` shows the form.',
  },
  configuration_invalid: {
    retry: 'never',
    meaning: 'A configuration file, an environment variable or a connection string has a mistake.',
    action: 'Correct what the message names (a line of the file, a setting), then run the command again.',
  },
  not_installed: {
    retry: 'manual',
    meaning:
      'The control database can be reached but holds no Tahr schema, or one that is too old or too new.',
    action: 'Run `tahr install`.',
  },
  not_found: {
    retry: 'never',
    meaning: 'A name was given that Tahr does not know.',
    action: 'List what there is, for example `tahr list syncs`.',
  },
  name_invalid: {
    retry: 'never',
    meaning: 'A database, dbgroup, relgroup or sync was given a name that is not allowed.',
    action:
      'Use a letter, then letters, digits and underscores; the message says what is wrong with the name.',
  },
  already_exists: {
    retry: 'never',
    meaning: 'The name is taken.',
    action: 'Choose another name, or update the existing object.',
  },
  in_use: {
    retry: 'never',
    meaning: 'Something else still refers to the object.',
    action: 'Remove what refers to it first; the message names it.',
  },
  sync_at_rest: {
    retry: 'never',
    meaning: 'The command needs a sync that runs, and this one is inactive or paused.',
    action: 'Use `tahr activate` or `tahr resume` first.',
  },
  daemon_not_running: {
    retry: 'manual',
    meaning: 'The command needs a running daemon and there is none on this control database.',
    action: 'Start it with `tahr start`.',
  },
  daemon_already_running: {
    retry: 'never',
    meaning: 'A daemon of this host is at work on this control database already.',
    action: 'Use `tahr restart`. To have a second one on this host, use `tahr run`.',
  },
  sync_not_active: {
    retry: 'manual',
    meaning: 'The sync was told to run, but it is paused, inactive, or has no databases to work on.',
    action: 'Use `tahr resume NAME` for a paused sync, `tahr activate NAME` for an inactive one.',
  },
  timed_out: {
    retry: 'never',
    meaning: 'What was waited for did not happen in the time given.',
    action: '`tahr status` says what the sync is doing.',
  },

  // Reaching databases
  database_unreachable: {
    retry: 'backoff',
    meaning:
      'No connection could be made, or it broke: server down, starting, stopping, or the network between.',
    action: 'Nothing, if this is expected: Tahr goes on by itself as soon as the database answers.',
  },
  database_missing: {
    retry: 'backoff',
    meaning: 'The server answers, but has no database by this name.',
    action: 'Correct dbname=, or create the database; Tahr tries again by itself.',
  },
  access_denied: {
    retry: 'backoff',
    meaning: 'The server refused the role or its password.',
    action: 'Correct the password or pg_hba.conf; Tahr tries again by itself.',
  },
  tls_failed: {
    retry: 'backoff',
    meaning:
      'No encrypted connection could be made: the certificate of the server was not accepted, or TLS is not spoken.',
    action: 'Correct the certificate, `sslrootcert` or `sslmode`; Tahr tries again by itself.',
  },
  privilege_missing: {
    retry: 'manual',
    meaning: 'The role may connect, but not do what is needed.',
    action: 'Grant it; `docs/privileges.md` has the SQL.',
  },
  server_unsupported: {
    retry: 'manual',
    meaning:
      'The server is older than PostgreSQL 13, or is in recovery and can be neither source nor target.',
    action: 'Use the primary server, version 13 or newer.',
  },
  out_of_resources: {
    retry: 'backoff',
    meaning: 'The server ran out of disk, memory, connections or locks.',
    action: 'Make room on the server; Tahr tries again by itself.',
  },
  given_way: {
    retry: 'backoff',
    meaning: 'A round met an application on the same rows (lock, deadlock, serialization) and stepped aside.',
    action: 'Nothing; it is tried again at once, then at growing intervals.',
  },
  left_behind: {
    retry: 'backoff',
    meaning:
      'A target took rows so much more slowly than others that were being filled from the same read that they went on without it.',
    action: 'Nothing; its rows are read for it alone now.',
  },
  interrupted: {
    retry: 'backoff',
    meaning:
      'The work was cancelled: the daemon stops, the sync was changed, or an administrator cancelled a query.',
    action: 'Nothing.',
  },

  // What is replicated
  relation_missing: {
    retry: 'manual',
    meaning: 'A table or sequence of the sync does not exist on one of its databases.',
    action: 'Create it there, or remove it from the relgroup.',
  },
  relation_without_key: {
    retry: 'manual',
    meaning: 'A table has no primary key and no unique index over columns that are all NOT NULL.',
    action:
      'Add a primary key, or make the columns of a unique index NOT NULL: `ALTER TABLE … ALTER COLUMN … SET NOT NULL`. `tahr update table NAME key=INDEX` chooses among several indexes.',
  },
  relation_unsupported: {
    retry: 'manual',
    meaning:
      'The relation is of a kind that triggers cannot follow: a view, a foreign table, a temporary table.',
    action: 'Remove it from the relgroup.',
  },
  schema_differs: {
    retry: 'manual',
    meaning:
      'The tables or sequences of two databases do not fit: a column is missing, types differ, or a sequence counts in another way.',
    action: 'Alter one side so that they fit; the sync notices and goes on by itself.',
  },
  names_collide: {
    retry: 'never',
    meaning:
      'By names that were given for single databases or syncs two tables would be one, or one table of a source would have two names.',
    action: 'Choose other names; `tahr list customnames` shows those that there are.',
  },
  filter_invalid: {
    retry: 'never',
    meaning: 'A source does not understand the condition of a filter.',
    action:
      'Write a condition of SQL over the columns of the table, as after WHERE. Functions and operators that are not in pg_catalog need their schema.',
  },
  customcols_invalid: {
    retry: 'manual',
    meaning: 'A source does not understand the columns that were chosen for a target, or they lack its key.',
    action:
      'Write a list of SQL over the columns of the table, as after SELECT, with the columns of the key as they are and a name (AS) for each expression. Functions and operators that are not in pg_catalog need their schema.',
  },
  encoding_differs: {
    retry: 'manual',
    meaning:
      'One database of the sync has the encoding SQL_ASCII and another has not: its bytes cannot be converted.',
    action: 'Use databases of which all or none are SQL_ASCII.',
  },
  interleave_impossible: {
    retry: 'manual',
    meaning:
      'A sync has `sequence=interleave`, and one of its sequences cannot be shared out: it cycles, has no room, is interleaved by another sync, or one of the sources is inactive.',
    action:
      'Do what the message says, take the sequence out of the relgroup, or use `tahr update sync NAME sequence=highest`.',
  },
  changes_stop: {
    retry: 'manual',
    meaning:
      'A note, not a failure: one sync brings changes to a database, another one reads that database, and the changes go no further, because makedelta is off.',
    action:
      'If they are to go on: `tahr update db NAME makedelta=on`, or `tahr update table NAME makedelta=on`. What was brought before stays where it is; docs/cascading.md tells how to bring it along. If not, there is nothing to do.',
  },
  row_security_active: {
    retry: 'manual',
    meaning: 'Row-level security would hide rows from the role, and hidden rows would look deleted.',
    action: 'Give the role BYPASSRLS or make it the owner of the table.',
  },
  replica_role_missing: {
    retry: 'manual',
    meaning:
      'The role may not set session_replication_role, and the table has triggers, rules or foreign keys that would fire for replicated rows.',
    action:
      'PostgreSQL 15 and newer: GRANT SET ON PARAMETER session_replication_role TO the role. Before 15: a superuser, or what the provider offers in its place.',
  },
  publication_for_all_tables: {
    retry: 'manual',
    meaning: 'A publication FOR ALL TABLES would publish the tables of Tahr too, and stop its subscribers.',
    action:
      'Publish the tables by name, or create the empty tables on the subscribers and add the db with force.',
  },
  merge_invalid: {
    retry: 'manual',
    meaning: 'A column of a table whose rows are merged does not fit the way in which it is to be merged.',
    action:
      'Counters are numbers and NOT NULL, objects are jsonb, sets are arrays; `tahr update table NAME counters=… objects=… sets=…` says which.',
  },
  clock_differs: {
    retry: 'manual',
    meaning:
      'Which of two changes is the later one is told by the clocks of their servers. Tahr measures how they differ and takes it off, but changes made before it has noticed keep their times.',
    action: 'Set the clocks by NTP, on the control database too.',
  },
  queue_over_limit: {
    retry: 'manual',
    meaning:
      'A database does not read what a source keeps for it, and that is more, or older, than it may be (queue_limit).',
    action:
      'Bring the database back. If it is gone for good, take it out of the dbgroup. `queue_policy=release` gives up what is kept while it is away, and copies to it when it is back.',
  },
  truncate_impossible: {
    retry: 'manual',
    meaning: 'A table is to be emptied by TRUNCATE, and tables that are not in the sync refer to it.',
    action: 'Use deletemethod=delete; or truncate_cascade, which empties those tables too.',
  },
  foreign_installation: {
    retry: 'manual',
    meaning:
      'The schema on the database belongs to another Tahr installation, or is a leftover of an earlier one.',
    action:
      'Give this installation another schema: `--schema NAME`, or `schema: NAME` in tahr.yaml, with `tahr install` and every command. Only if nothing uses the other installation any more: `DROP SCHEMA … CASCADE`.',
  },

  // Rounds
  position_lost: {
    retry: 'manual',
    meaning:
      'The source was restored, re-initialised or copied, was promoted from a standby that missed something, or had to discard changes: what this database has read of it can no longer be told.',
    action:
      'Decide which database is right and put it first: `tahr update dbgroup NAME B:source A:source`. Then `tahr update sync NAME onetimecopy=1` copies it over the others, and deletes rows there that it lacks. Nothing is overwritten before you say so.',
  },
  conflict_abort: {
    retry: 'manual',
    meaning: 'The same row was changed on several sources and the strategy is bucardo_abort.',
    action: 'Make the rows equal by hand or choose another conflict_strategy; then `tahr resume NAME`.',
  },
  unique_conflict: {
    retry: 'backoff',
    meaning: 'A replicated row collides with another row on a unique constraint that is not the key.',
    action: 'Change one of the two rows; the message names the constraint. The sync goes on by itself.',
  },
  row_refused: {
    retry: 'backoff',
    meaning: 'The database refused a replicated row: a check, a NOT NULL, a value out of range.',
    action: 'Correct the row or the constraint; the sync goes on by itself.',
  },
  row_refused_by_trigger: {
    retry: 'manual',
    meaning:
      'A trigger with ENABLE ALWAYS or ENABLE REPLICA (or such a rule) kept a replicated row from being inserted, updated or deleted.',
    action:
      'Let the trigger return the row, or enable it in the ordinary way (`ALTER TABLE … ENABLE TRIGGER`), in which it does not fire for replicated rows; the sync looks by itself.',
  },
  fenced: {
    retry: 'backoff',
    meaning:
      'Another worker has moved the position of this database in the meantime; this round was rolled back.',
    action:
      'Nothing, unless it repeats: then something works on these databases that no lease keeps out, such as a daemon with a copy of the control database.',
  },
  lease_lost: {
    retry: 'backoff',
    meaning:
      'The daemon has not reached the control database for so long that another one may have taken the sync, so it writes nothing more.',
    action:
      'Nothing: it goes on, here or elsewhere. If it repeats, look at the control database and the way to it.',
  },
  table_altered: {
    retry: 'backoff',
    meaning:
      'A table was altered or rewritten (ALTER TABLE, TRUNCATE) since it was looked at; the round starts again.',
    action: 'Nothing.',
  },
  internal_error: {
    retry: 'backoff',
    meaning: 'Something happened that Tahr does not expect: a bug of Tahr. Nothing was applied by halves.',
    action: 'Report it with the stack from the log of the daemon; the sync is tried again every minute.',
  },
  statement_failed: {
    retry: 'backoff',
    meaning:
      'The server reported an error that has no name of its own here; its SQLSTATE and text are shown.',
    action: 'Read the text of the server; Tahr tries again by itself.',
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

type Facts = Readonly<Record<string, string | number | boolean | null>>;

interface ErrorDetails {
  /** One sentence: what happened, to what, why. */
  readonly message: string;
  /** What the operator can do; the catalogue's action when left out. */
  readonly hint?: string;
  readonly facts?: Facts;
  readonly cause?: unknown;
}

/** An expected failure. Anything else that is thrown is a bug. */
export class ReplicationError extends Error {
  override readonly name = 'ReplicationError';
  readonly code: ErrorCode;
  readonly retry: Retry;
  readonly hint: string;
  readonly facts: Facts;

  constructor(code: ErrorCode, details: ErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.retry = errorCatalogue[code].retry;
    this.hint = details.hint ?? errorCatalogue[code].action;
    this.facts = details.facts ?? {};
  }
}

/** Several findings of one check, reported together. */
export class FindingsError extends ReplicationError {
  readonly findings: readonly ReplicationError[];

  constructor(findings: readonly [ReplicationError, ...ReplicationError[]]) {
    const first = findings[0];
    super(first.code, {
      message: findings.map((finding) => finding.message).join('\n'),
      hint: first.hint,
      facts: first.facts,
    });
    this.findings = findings;
  }
}

/** True for an `Error` of ours with this code. */
export const isReplicationError = (error: unknown, code?: ErrorCode): error is ReplicationError =>
  error instanceof ReplicationError && (code === undefined || error.code === code);

/** Marks a place that the types say cannot be reached. */
export const unreachable = (value: never): never => {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
};
