/**
 * What `sslmode` means (PostgreSQL manual 34.19): which ways of connecting are tried in which order, and what is
 * checked of the server's certificate.
 *
 * As in libpq, the certificate is checked in every mode if there is a root certificate file, the host's name only
 * with verify-full; verify-ca and verify-full need the file. Unix sockets are never encrypted.
 */
import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, getCACertificates, type SecureVersion } from 'node:tls';
import type { ConnectionParameters } from '../model/topology.ts';
import { invalid } from './conninfo-keywords.ts';
import { isSocketDirectory, type Place } from './conninfo-resolve.ts';

/** One way of connecting to a place; false is plain text. */
export type Encryption = ConnectionOptions | false;

/** @throws ReplicationError `configuration_invalid` for certificate files that are missing or unsafe */
export const encryptionsFor = async (
  parameters: ConnectionParameters,
  place: Place,
  environment: NodeJS.ProcessEnv,
): Promise<readonly Encryption[]> => {
  const usesSystemRoots = parameters['sslrootcert'] === 'system';
  const mode = parameters['sslmode'] || (usesSystemRoots ? 'verify-full' : 'prefer');
  const isDirect = parameters['sslnegotiation'] === 'direct';
  if (usesSystemRoots && mode !== 'verify-full')
    throw invalid(`sslrootcert=system needs sslmode=verify-full, not ${mode}.`);
  if (isDirect && ['disable', 'allow', 'prefer'].includes(mode)) {
    throw invalid(`sslnegotiation=direct needs sslmode=require or stronger, not ${mode}.`);
  }
  if (isSocketDirectory(place.address) || mode === 'disable') return [false];
  const encrypted = await tlsOptions(parameters, { mode, place, environment });
  if (mode === 'allow') return [false, encrypted];
  return mode === 'prefer' ? [encrypted, false] : [encrypted];
};

interface TlsContext {
  readonly mode: string;
  readonly place: Place;
  readonly environment: NodeJS.ProcessEnv;
}

const tlsOptions = async (
  parameters: ConnectionParameters,
  { mode, place, environment }: TlsContext,
): Promise<ConnectionOptions> => {
  const directory = join(environment['HOME'] ?? homedir(), '.postgresql');
  const file = (name: string, usual: string) => readIfThere(name, parameters[name], join(directory, usual));
  const ca =
    parameters['sslrootcert'] === 'system'
      ? getCACertificates('system')
      : await file('sslrootcert', 'root.crt');
  if (ca === null && mode.startsWith('verify-')) {
    throw invalid(
      `sslmode=${mode} needs the root certificate: give sslrootcert, or put it into ${directory}/root.crt.`,
    );
  }
  const cert = await file('sslcert', 'postgresql.crt');
  const key = cert === null ? null : await readKey(parameters['sslkey'] || join(directory, 'postgresql.key'));
  const crl = ca === null ? null : await file('sslcrl', 'root.crl');
  return {
    // Node asks for the name of the host behind an address only here; a plain address is not sent as a name.
    ...(place.host === place.address ? {} : { servername: place.host }),
    rejectUnauthorized: ca !== null,
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    ...(ca === null ? {} : { ca }),
    ...(crl === null ? {} : { crl }),
    ...(cert === null || key === null ? {} : { cert, key }),
    ...(parameters['sslpassword'] ? { passphrase: parameters['sslpassword'] } : {}),
    ...version('minVersion', parameters['ssl_min_protocol_version']),
    ...version('maxVersion', parameters['ssl_max_protocol_version']),
  };
};

const version = (name: 'minVersion' | 'maxVersion', value: string | undefined) =>
  value ? { [name]: value as SecureVersion } : {};

/** A file that was named must exist; the usual one need not. */
const readIfThere = async (
  keyword: string,
  named: string | undefined,
  usual: string,
): Promise<string | null> => {
  try {
    return await readFile(named || usual, 'utf8');
  } catch {
    // A root certificate may be named that is not there: then it is not checked, and verify-… refuses (as in libpq).
    if (!named || keyword === 'sslrootcert') return null;
    throw invalid(`${keyword}=${named}: the file cannot be read.`);
  }
};

/** libpq's rule: nobody else may read it; if it is root's, its group may. */
const readKey = async (path: string): Promise<string> => {
  const status = await stat(path).catch(() => null);
  if (status === null)
    throw invalid(`There is a client certificate, but its key ${path} cannot be read (sslkey).`);
  if ((status.mode & (status.uid === 0 ? 0o037 : 0o077)) !== 0) {
    throw invalid(`The key ${path} may be read by others; give it mode 0600 (sslkey).`);
  }
  return readFile(path, 'utf8');
};
