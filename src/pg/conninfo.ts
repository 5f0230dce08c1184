/**
 * Connects as libpq does (PostgreSQL manual 34.1): the hosts in order, each with the encryptions that `sslmode`
 * allows, until one answers and is of the wanted kind. A server that refuses the role ends the search.
 *
 * Everything is given to the driver, so that it reads neither the environment nor the password file itself.
 */
import type pg from 'pg';
import { isReplicationError, ReplicationError } from '../model/errors.ts';
import type { ConnectionParameters } from '../model/topology.ts';
import {
  asConnectFailure,
  dependsOnEncryption,
  isWorthTheNextHost,
  summarized,
  withLabel,
  withPlace,
} from './conninfo-failure.ts';
import { invalid } from './conninfo-keywords.ts';
import { isSocketDirectory, type Place, type ResolvedConninfo, resolveConninfo } from './conninfo-resolve.ts';
import { type Encryption, encryptionsFor } from './conninfo-tls.ts';
import { findPassword } from './password.ts';
import { Session, type SessionOptions } from './session.ts';
import { sql } from './sql.ts';

/**
 * Opens a session; references, service files, certificates and passwords are read anew each time.
 * @throws ReplicationError `configuration_invalid`, and what `Session.open` throws; with several hosts, the last failure
 */
export const connect = async (
  parameters: ConnectionParameters,
  options: SessionOptions,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Session> => {
  try {
    const conninfo = await resolveConninfo(parameters, environment);
    return await search({ conninfo, options, environment });
  } catch (error) {
    throw withLabel(error, options.label);
  }
};

interface Attempt {
  readonly conninfo: ResolvedConninfo;
  readonly options: SessionOptions;
  readonly environment: NodeJS.ProcessEnv;
}

const search = async (attempt: Attempt): Promise<Session> => {
  const failures: ReplicationError[] = [];
  for (const { place, wanted } of candidates(attempt.conninfo)) {
    try {
      return await connectTo(place, wanted, attempt);
    } catch (error) {
      if (!isReplicationError(error) || error.code === 'configuration_invalid') throw error;
      failures.push(withPlace(error, place, attempt.conninfo));
      if (!isWorthTheNextHost(error)) break;
    }
  }
  throw summarized(failures);
};

/** `prefer-standby` is two searches: for a standby, then for anything. */
const candidates = ({ places, parameters }: ResolvedConninfo): { place: Place; wanted: string }[] => {
  const order = parameters['load_balance_hosts'] === 'random' ? shuffled(places) : places;
  const wanted = parameters['target_session_attrs'] || 'any';
  const passes = wanted === 'prefer-standby' ? ['standby', 'any'] : [wanted];
  return passes.flatMap((wanted) => order.map((place) => ({ place, wanted })));
};

const shuffled = <T>(elements: readonly T[]): T[] =>
  elements
    .map((element) => ({ element, rank: Math.random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ element }) => element);

const connectTo = async (place: Place, wanted: string, attempt: Attempt): Promise<Session> => {
  const encryptions = await encryptionsFor(attempt.conninfo.parameters, place, attempt.environment);
  const session = await openFirst(encryptions, place, attempt);
  try {
    if (await isOfKind(session, wanted)) return session;
    throw new ReplicationError('database_unreachable', {
      message: `${session.label}: the server is not what target_session_attrs=${wanted} asks for`,
      facts: { database: session.label },
    });
  } catch (error) {
    await session.close();
    throw error;
  }
};

/** The session has set default_transaction_read_only for itself; `reset_val` is what the server would have given it. */
const isOfKind = async (session: Session, wanted: string): Promise<boolean> => {
  if (wanted === 'any') return true;
  const [row] = await session.query(sql`
    select pg_is_in_recovery()::text as "isStandby",
           (select reset_val from pg_settings where name = 'default_transaction_read_only') as "readOnly"
  `);
  const isStandby = row?.['isStandby'] === 'true';
  const isReadOnly = isStandby || row?.['readOnly'] === 'on';
  if (wanted === 'standby') return isStandby;
  if (wanted === 'primary') return !isStandby;
  return wanted === 'read-only' ? isReadOnly : !isReadOnly;
};

/** A further encryption is tried only if the server may answer differently to it: `allow` and `prefer` have two. */
const openFirst = async (
  encryptions: readonly Encryption[],
  place: Place,
  attempt: Attempt,
): Promise<Session> => {
  const [first, ...others] = encryptions;
  if (first === undefined) throw new Error('no way of connecting is left');
  try {
    return await open(first, place, attempt);
  } catch (error) {
    if (others.length === 0 || !dependsOnEncryption(error)) throw error;
    return openFirst(others, place, attempt).catch((second: unknown) => {
      // If the server refuses both, its answer to the first is about the account and not about encryption.
      throw isReplicationError(second, 'access_denied') && isReplicationError(error, 'access_denied')
        ? error
        : second;
    });
  }
};

const open = async (
  ssl: Encryption,
  place: Place,
  { conninfo, options, environment }: Attempt,
): Promise<Session> => {
  const { parameters, user, dbname } = conninfo;
  const config: pg.ClientConfig = {
    host: place.address,
    port: place.port,
    user,
    database: dbname,
    password: () => findPassword(conninfo, { place, label: options.label, environment }),
    ssl,
    sslnegotiation: ssl !== false && parameters['sslnegotiation'] === 'direct' ? 'direct' : 'postgres',
    enableChannelBinding: ssl !== false && parameters['channel_binding'] !== 'disable',
    client_encoding: 'UTF8',
    connectionTimeoutMillis: seconds('connect_timeout', parameters) * 1000,
    keepAlive: parameters['keepalives'] !== '0' && !isSocketDirectory(place.address),
    keepAliveInitialDelayMillis: seconds('keepalives_idle', parameters) * 1000,
    ...(parameters['options'] ? { options: parameters['options'] } : {}),
  };
  try {
    return await Session.open(config, options);
  } catch (error) {
    throw asConnectFailure(error, { label: options.label, isEncrypted: ssl !== false });
  }
};

const seconds = (name: string, parameters: ConnectionParameters): number => {
  const text = parameters[name] || '0';
  if (!/^-?\d+$/u.test(text)) throw invalid(`${name}=${text} is not a number of seconds.`);
  return Math.max(0, Number(text));
};
