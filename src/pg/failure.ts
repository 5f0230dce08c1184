/**
 * One table from SQLSTATE and socket errors to the errors of the catalogue. The text of a message is never
 * looked at: it is translated, and it changes between versions.
 */
import { type ErrorCode, isReplicationError, ReplicationError } from '../model/errors.ts';

/** By SQLSTATE, else by its class of two characters (PostgreSQL manual, appendix A). */
const bySqlState: Readonly<Record<string, ErrorCode>> = {
  '08': 'database_unreachable',
  '57P01': 'database_unreachable', // admin_shutdown
  '57P02': 'database_unreachable', // crash_shutdown
  '57P03': 'database_unreachable', // cannot_connect_now
  '57P05': 'database_unreachable', // idle_session_timeout
  '25P03': 'database_unreachable', // idle_in_transaction_session_timeout
  '3D000': 'database_missing',
  '28': 'access_denied',
  '42501': 'privilege_missing',
  '25006': 'server_unsupported', // read_only_sql_transaction: a standby
  '53': 'out_of_resources',
  '58030': 'out_of_resources', // io_error
  '40': 'given_way',
  '55P03': 'given_way', // lock_not_available
  '72000': 'given_way', // snapshot too old, up to 16
  '57014': 'interrupted', // query_canceled
  '23505': 'unique_conflict',
  '23P01': 'unique_conflict', // exclusion_violation
  '22': 'row_refused',
  '23': 'row_refused',
  '44': 'row_refused', // with check option
  '42P01': 'relation_missing',
  '3F000': 'relation_missing',
  '42703': 'schema_differs',
  '42804': 'schema_differs',
  '42704': 'schema_differs',
  '0A000': 'statement_failed',
};

const bySocketError: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT', // the unix socket is not there
  'EADDRNOTAVAIL',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
  'ABORT_ERR',
]);

interface ServerError {
  readonly message: string;
  readonly code?: unknown;
  readonly severity?: unknown;
  readonly detail?: unknown;
  readonly schema?: unknown;
  readonly table?: unknown;
  readonly column?: unknown;
  readonly constraint?: unknown;
}

/**
 * What went wrong, in our words. `label` names the database in the sentence. Errors that are ours already come
 * back unchanged; so do programming errors (anything that is neither a server's nor a socket's).
 */
export const failureOf = (error: unknown, label: string): unknown => {
  if (error instanceof ReplicationError) return error;
  if (!(error instanceof Error)) return error;
  if (error instanceof AggregateError && error.errors.length > 0) return failureOf(error.errors[0], label);
  const fields = error as ServerError;
  const code = typeof fields.code === 'string' ? fields.code : null;
  if (code !== null && typeof fields.severity === 'string') return fromServer(fields, code, label, error);
  if (code !== null && bySocketError.has(code)) return unreachable(label, error);
  if (code === null && isDriverDisconnect(error)) return unreachable(label, error);
  return error;
};

/** No connection came about in time. The driver says so by an error without a code, so it gets the one of the system. */
export const timeoutOf = (label: string, cause: unknown): unknown =>
  failureOf(Object.assign(new Error('timeout expired', { cause }), { code: 'ETIMEDOUT' }), label);

/** The connection was given up because the server did not answer in time. */
export const silenceOf = (label: string, cause: unknown): ReplicationError =>
  new ReplicationError('database_unreachable', {
    message: `${label} does not answer any more; the connection was given up.`,
    facts: { database: label },
    cause,
  });

/** Whatever else a server says while it is connected to, it cannot be worked with now. */
export const connectFailureOf = (error: unknown, label: string): unknown => {
  const failure = failureOf(error, label);
  if (!isReplicationError(failure, 'statement_failed')) return failure;
  const { message, facts, cause } = failure;
  return new ReplicationError('database_unreachable', { message, facts, cause });
};

const fromServer = (fields: ServerError, sqlState: string, label: string, cause: Error): ReplicationError => {
  const code = bySqlState[sqlState] ?? bySqlState[sqlState.slice(0, 2)] ?? 'statement_failed';
  const facts: Record<string, string> = { database: label, sqlState };
  for (const name of ['schema', 'table', 'column', 'constraint'] as const) {
    const value = fields[name];
    if (typeof value === 'string') facts[name] = value;
  }
  return new ReplicationError(code, {
    message: `${label}: ${cause.message} (SQLSTATE ${sqlState})`,
    facts,
    cause,
  });
};

const unreachable = (label: string, cause: Error): ReplicationError =>
  new ReplicationError('database_unreachable', {
    message: `${label} cannot be reached: ${cause.message}`,
    facts: { database: label },
    cause,
  });

/**
 * The driver reports a connection that ended under a query, or was closed before, as a plain Error without any
 * code. It throws nothing else of that kind while a query runs.
 */
const isDriverDisconnect = (error: Error): boolean => error.constructor === Error;
