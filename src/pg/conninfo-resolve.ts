/**
 * From what the operator wrote to what is connected to. Of several values for a keyword the first counts, in libpq's
 * order: given, service file, environment, default.
 */
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import type { ConnectionParameters } from '../model/topology.ts';
import { assertKeyword, assertValues, defaultValues, invalid, readEnvironment } from './conninfo-keywords.ts';
import { resolveReferences } from './conninfo-references.ts';
import { readService } from './conninfo-service.ts';

/** One of the servers that are tried in order. */
export interface Place {
  /** A name, an address, or the directory of a unix socket; what a certificate and the password file are looked up by. */
  readonly host: string;
  /** What is connected to: the same, unless `hostaddr` was given. */
  readonly address: string;
  readonly port: number;
}

export interface ResolvedConninfo {
  readonly parameters: ConnectionParameters;
  readonly places: readonly [Place, ...Place[]];
  readonly user: string;
  readonly dbname: string;
}

/** Where packages put the socket: Debian and Red Hat, then PostgreSQL itself. */
const socketDirectories = ['/var/run/postgresql', '/tmp'];

/** @throws ReplicationError `configuration_invalid` */
export const resolveConninfo = async (
  given: ConnectionParameters,
  environment: NodeJS.ProcessEnv,
): Promise<ResolvedConninfo> => {
  for (const name of Object.keys(given)) assertKeyword(name);
  const explicit = await resolveReferences(given, environment);
  const fromEnvironment = readEnvironment(environment);
  const service = explicit['service'] ?? fromEnvironment['service'];
  const file = explicit['servicefile'] ?? fromEnvironment['servicefile'];
  const fromService = service ? await readService({ service, file, environment }) : {};
  const parameters = { ...defaultValues(), ...fromEnvironment, ...fromService, ...explicit };
  assertValues(parameters);
  const user = parameters['user'] || operatingSystemUser();
  const dbname = parameters['dbname'] || user;
  return { parameters, places: placesOf(parameters), user, dbname };
};

const operatingSystemUser = (): string => {
  try {
    return userInfo().username;
  } catch {
    throw invalid('No user is given for the connection, and this process has no user name in the system.');
  }
};

/** Hosts, addresses and ports are lists of one length; one port may serve for all. */
const placesOf = (parameters: ConnectionParameters): readonly [Place, ...Place[]] => {
  const hosts = listOf(parameters['host']);
  const addresses = listOf(parameters['hostaddr']);
  const ports = listOf(parameters['port']);
  const count = Math.max(hosts.length, addresses.length);
  if (hosts.length > 0 && addresses.length > 0 && hosts.length !== addresses.length) {
    throw invalid(
      `The connection has ${hosts.length} names in "host" and ${addresses.length} addresses in "hostaddr".`,
    );
  }
  if (ports.length > 1 && ports.length !== count) {
    throw invalid(`The connection has ${ports.length} ports for ${count} hosts; give one, or one for each.`);
  }
  const place = (index: number): Place => {
    const port = portNumber((ports.length > 1 ? ports[index] : ports[0]) || '5432');
    const host = hosts[index] || addresses[index] || defaultHost(port);
    return { host, address: addresses[index] || host, port };
  };
  return [place(0), ...Array.from({ length: Math.max(0, count - 1) }, (_, index) => place(index + 1))];
};

const listOf = (text = ''): string[] => (text === '' ? [] : text.split(',').map((element) => element.trim()));

const portNumber = (text: string): number => {
  const port = Number(text);
  if (/^\d+$/u.test(text) && port >= 1 && port <= 65_535) return port;
  throw invalid(`port=${text} is not a port number between 1 and 65535.`);
};

const defaultHost = (port: number): string =>
  socketDirectories.find((directory) => existsSync(`${directory}/.s.PGSQL.${port}`)) ?? 'localhost';

export const isSocketDirectory = (address: string): boolean => address.startsWith('/');

/** A socket where libpq would look by itself counts as localhost in the password file. */
export const isDefaultSocketDirectory = (address: string): boolean => socketDirectories.includes(address);
