/**
 * The password of one connection: as given, else from the password file (PostgreSQL manual 34.16). It is looked up
 * per host, and only when the server asks for one.
 */
import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ReplicationError } from '../model/errors.ts';
import { isDefaultSocketDirectory, type Place, type ResolvedConninfo } from './conninfo-resolve.ts';

interface Account {
  readonly host: string;
  readonly port: number;
  readonly dbname: string;
  readonly user: string;
}

interface Lookup {
  readonly place: Place;
  readonly label: string;
  readonly environment: NodeJS.ProcessEnv;
}

/** @throws ReplicationError `access_denied` saying where a password was looked for */
export const findPassword = async (
  { parameters, dbname, user }: ResolvedConninfo,
  { place, label, environment }: Lookup,
): Promise<string> => {
  if (parameters['password']) return parameters['password'];
  const path = parameters['passfile'] || join(environment['HOME'] ?? homedir(), '.pgpass');
  const host = isDefaultSocketDirectory(place.host) ? 'localhost' : place.host;
  const text = await readPrivately(path);
  const password = text === null ? null : passwordIn(text, { host, port: place.port, dbname, user });
  if (password !== null) return password;
  throw new ReplicationError('access_denied', {
    message: `${label}: the server asks for a password and the connection has none; ${whyNotIn(path, text)}`,
    // oxlint-disable-next-line no-template-curly-in-string -- this is what the operator writes
    hint: 'Give one with the connection, as ${env:NAME} or ${file:/path}, or in the password file.',
    facts: { database: label },
  });
};

const whyNotIn = (path: string, text: string | null): string =>
  text === null
    ? `the password file ${path} does not exist or may be read by others (it must have mode 0600)`
    : `no line of the password file ${path} fits`;

/** As libpq, we do not use a file that the group or others may read. */
const readPrivately = async (path: string): Promise<string | null> => {
  const status = await stat(path).catch(() => null);
  if (status === null || !status.isFile() || (status.mode & 0o077) !== 0) return null;
  return readFile(path, 'utf8').catch(() => null);
};

/** Four fields, then the password up to the end of the line; `\` escapes `:` and `\`. */
const passwordLine = /^((?:[^:\\]|\\.)*):((?:[^:\\]|\\.)*):((?:[^:\\]|\\.)*):((?:[^:\\]|\\.)*):(.+)$/u;

/** Of the first line `hostname:port:database:username:password` that fits; `*` fits everything. */
export const passwordIn = (text: string, account: Account): string | null => {
  const wanted = [account.host, String(account.port), account.dbname, account.user];
  for (const line of text.split(/\r?\n/u)) {
    const [, ...fields] = passwordLine.exec(line.startsWith('#') ? '' : line) ?? [];
    const password = fields.pop();
    if (password === undefined) continue;
    if (wanted.every((value, index) => fields[index] === '*' || unescaped(fields[index] ?? '') === value)) {
      return unescaped(password);
    }
  }
  return null;
};

const unescaped = (field: string): string => field.replaceAll(/\\(.)/gu, '$1');
