/** Failures while connecting: which of them end the search for a server, and what is said of all of them. */
import { type ErrorCode, isReplicationError, ReplicationError } from '../model/errors.ts';
import { isSocketDirectory, type Place, type ResolvedConninfo } from './conninfo-resolve.ts';

/** The connection did not come so far that encryption was spoken of. */
const beforeEncryption: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'ETIMEDOUT',
  'ENOENT',
]);

/** SQLSTATE cannot_connect_now: starting, stopping or in recovery. Any other answer of a server ends the search. */
const cannotConnectNow = '57P03';

export const isWorthTheNextHost = (error: ReplicationError): boolean => {
  const sqlState = error.facts['sqlState'];
  if (error.code === 'tls_failed') return true;
  return error.code === 'database_unreachable' && (sqlState === undefined || sqlState === cannotConnectNow);
};

/** True where the same server may answer differently with TLS than without: refused, or the negotiation failed. */
export const dependsOnEncryption = (error: unknown): boolean => {
  if (!isReplicationError(error)) return false;
  if (error.code === 'tls_failed' || error.code === 'access_denied') return true;
  if (error.code !== 'database_unreachable' || error.facts['sqlState'] !== undefined) return false;
  return !beforeEncryption.has((error.cause as NodeJS.ErrnoException | undefined)?.code);
};

/**
 * What the session did not know by name. While a connection is made, an error with a code comes from the network
 * or from Node's TLS layer, and is no programming error.
 */
export const asConnectFailure = (
  error: unknown,
  { label, isEncrypted }: { label: string; isEncrypted: boolean },
): unknown => {
  if (isReplicationError(error) || !(error instanceof Error)) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined) return error;
  const isTls = isEncrypted && syscall !== 'connect' && syscall !== 'getaddrinfo';
  return new ReplicationError(isTls ? 'tls_failed' : 'database_unreachable', {
    message: `${label} cannot be reached${isTls ? ' with TLS' : ''}: ${error.message}`,
    facts: { database: label },
    cause: error,
  });
};

/** A mistake in the settings says which database they belong to. */
export const withLabel = (error: unknown, label: string): unknown =>
  isReplicationError(error, 'configuration_invalid')
    ? new ReplicationError(error.code, { message: `${label}: ${error.message}`, facts: { database: label } })
    : error;

/** Adds where it was tried; a server's error keeps its facts. */
export const withPlace = (
  error: ReplicationError,
  place: Place,
  { user, dbname }: ResolvedConninfo,
): ReplicationError =>
  new ReplicationError(error.code, {
    message: `${error.message} (database ${dbname} as ${user} on ${formatPlace(place)})`,
    hint: error.hint,
    facts: { ...error.facts, host: place.host, port: place.port },
    cause: error.cause,
  });

/** The code is that of the last host, unless an earlier one tells the operator more. */
export const summarized = (failures: readonly ReplicationError[]): ReplicationError => {
  const [first, ...others] = failures;
  if (first === undefined) throw new Error('no host was tried');
  if (others.length === 0) return first;
  const telling = failures.find(({ code }) => code !== ('database_unreachable' satisfies ErrorCode)) ?? first;
  const message = failures.map((failure) => failure.message).join('; ');
  return new ReplicationError(telling.code, {
    message,
    hint: telling.hint,
    facts: telling.facts,
    cause: telling.cause,
  });
};

const formatPlace = ({ host, address, port }: Place): string => {
  if (isSocketDirectory(address)) return `${address}/.s.PGSQL.${port}`;
  const name = host === address ? host : `${host} [${address}]`;
  return name.includes(':') && host === address ? `[${host}]:${port}` : `${name}:${port}`;
};
