/**
 * Reads the two forms of a connection string (PostgreSQL manual 34.1.1): keyword=value and URI. A message names the
 * part that is wrong and never repeats the string, because there may be a password in it.
 */
import { keywordProblem } from './connection-keywords.ts';
import { ReplicationError } from './errors.ts';
import type { ConnectionParameters } from './topology.ts';

/** @throws ReplicationError `configuration_invalid` */
export const parseConninfo = (text: string): ConnectionParameters => {
  const uri = /^postgres(?:ql)?:\/\/(.*)$/su.exec(text.trim());
  const parameters = uri?.[1] === undefined ? parsePairs(text) : parseUri(uri[1]);
  for (const name of Object.keys(parameters)) {
    const problem = keywordProblem(name);
    if (problem !== null) throw invalid(problem);
  }
  return parameters;
};

const invalid = (message: string): ReplicationError =>
  new ReplicationError('configuration_invalid', { message });

/** `host=a password='it''s' dbname = shop`: blanks around `=`, single quotes, backslash escapes in and out of them. */
const parsePairs = (text: string): Record<string, string> => {
  const pair = /\s*([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*)?)(?=\s|$)/suy;
  const parameters: Record<string, string> = {};
  const end = text.trimEnd().length;
  while (pair.lastIndex < end) {
    const start = pair.lastIndex;
    const [, name, inQuotes, bare] = pair.exec(text) ?? [];
    if (name === undefined) throw invalid(pairProblem(text, start));
    parameters[name] = (inQuotes ?? bare ?? '').replaceAll(/\\(.)/gsu, '$1');
  }
  return parameters;
};

const pairProblem = (text: string, start: number): string => {
  const position = start + (/^\s*/u.exec(text.slice(start))?.[0].length ?? 0) + 1;
  const name = /^\s*([A-Za-z_]\w*)\s*=/u.exec(text.slice(start))?.[1];
  return name === undefined
    ? `The connection string is not of the form keyword=value at character ${position}.`
    : `The value of "${name}" in the connection string does not end: a quote is missing, or stands in the middle.`;
};

/** Behind `postgresql://`: `[user[:password]@][host[:port],…][/dbname][?keyword=value&…]`. */
const parseUri = (text: string): Record<string, string> => {
  const [, credentials, authority = '', dbname, query] =
    /^(?:([^@/]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/su.exec(text) ?? [];
  return {
    ...parseCredentials(credentials),
    ...parseHosts(authority),
    ...(dbname === undefined || dbname === '' ? {} : { dbname: decoded(dbname, 'database') }),
    ...parseQuery(query),
  };
};

const parseCredentials = (text = ''): Record<string, string> => {
  const colon = text.indexOf(':');
  const user = colon < 0 ? text : text.slice(0, colon);
  return {
    ...(user === '' ? {} : { user: decoded(user, 'user') }),
    ...(colon < 0 ? {} : { password: decoded(text.slice(colon + 1), 'password') }),
  };
};

/** Hosts and ports become two lists of one length; an address in brackets is IPv6. */
const parseHosts = (text: string): Record<string, string> => {
  if (text === '') return {};
  const places = text.split(',').map((place) => {
    const [, address, name, port] = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d*))?$/u.exec(place) ?? [];
    if (address === undefined && name === undefined) {
      throw invalid(
        `Host ${text.split(',').indexOf(place) + 1} of the connection URI is not of the form host:port.`,
      );
    }
    return { host: address ?? decoded(name ?? '', 'host'), port: port ?? '' };
  });
  return {
    host: places.map(({ host }) => host).join(','),
    ...(places.some(({ port }) => port !== '') ? { port: places.map(({ port }) => port).join(',') } : {}),
  };
};

const parseQuery = (text = ''): Record<string, string> => {
  const parameters: Record<string, string> = {};
  for (const part of text.split('&').filter((part) => part !== '')) {
    const [name = '', value, ...more] = part.split('=');
    if (value === undefined || more.length > 0) {
      throw invalid(`The parameter "${name}" of the connection URI is not of the form keyword=value.`);
    }
    // JDBC's spelling, which libpq accepts too.
    if (name === 'ssl' && value === 'true') parameters['sslmode'] = 'require';
    else parameters[decoded(name, 'parameter')] = decoded(value, name);
  }
  return parameters;
};

/** A plus sign is a plus sign here, as in libpq. */
const decoded = (text: string, part: string): string => {
  try {
    const value = decodeURIComponent(text);
    if (!value.includes('\0')) return value;
  } catch {
    // Said below.
  }
  throw invalid(
    `The ${part} in the connection URI has a "%" that does not begin two hexadecimal digits of a character.`,
  );
};
