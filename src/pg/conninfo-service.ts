/** The connection service file (PostgreSQL manual 34.17): named groups of connection parameters. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionParameters } from '../model/topology.ts';
import { assertKeyword, invalid } from './conninfo-keywords.ts';

interface Lookup {
  readonly service: string;
  /** Named by the operator: it must exist. */
  readonly file: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
}

/** @throws ReplicationError `configuration_invalid` when no file has the service, or its text is wrong */
export const readService = async ({ service, file, environment }: Lookup): Promise<ConnectionParameters> => {
  const own = file ?? join(environment['HOME'] ?? homedir(), '.pg_service.conf');
  const common = join(environment['PGSYSCONFDIR'] ?? '/etc/postgresql-common', 'pg_service.conf');
  for (const path of [own, common]) {
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      if (path === file)
        throw invalid(`The service file ${path} cannot be read: ${(error as Error).message}`);
      return '';
    });
    const parameters = parseService(text, service, path);
    if (parameters !== null) return parameters;
  }
  throw invalid(`The connection service "${service}" is neither in ${own} nor in ${common}.`);
};

const parseService = (text: string, service: string, path: string): ConnectionParameters | null => {
  let parameters: Record<string, string> | null = null;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const section = /^\[(.*)\]$/u.exec(line)?.[1];
    if (section !== undefined) {
      if (parameters !== null) break;
      if (section === service) parameters = {};
    } else if (parameters !== null) {
      const [name, value] = parseLine(line, `${path}:${index + 1}`);
      // The first one counts, as in libpq.
      parameters[name] ??= value;
    }
  }
  return parameters;
};

const parseLine = (line: string, place: string): [string, string] => {
  const equals = line.indexOf('=');
  const name = line.slice(0, equals);
  if (equals < 1 || name === 'service' || name === 'servicefile') {
    throw invalid(`${place}: a service file has lines keyword=value, none of them for another service.`);
  }
  assertKeyword(name);
  return [name, line.slice(equals + 1)];
};
