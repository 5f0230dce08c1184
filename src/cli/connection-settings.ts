/** Settings that say how a database is reached: every connection keyword of libpq, under Bucardo's names too. Pure. */
import { queueKeys } from './queue-settings.ts';
import { parseConninfo } from '../model/conninfo.ts';
import { connectionKeywords } from '../model/connection-keywords.ts';
import { type ConnectionParameters, connectionStatuses } from '../model/topology.ts';
import { type Key, key } from './grammar/settings.ts';
import { anyText, boolean, choice, text } from './grammar/values.ts';
import { splitList } from './grammar/words.ts';

const aliases: Readonly<Record<string, readonly string[]>> = {
  dbname: ['db'],
  host: ['dbhost', 'pghost'],
  port: ['dbport', 'pgport'],
  user: ['username', 'dbuser'],
  password: ['pass', 'dbpass'],
  service: ['dbservice'],
  passfile: ['pgpass'],
};

const described: Readonly<Record<string, string>> = {
  dbname: 'the name of the database on its server',
  host: 'host name, address or socket directory; several with commas',
  user: 'the role to connect as',
  password: 'the password, ${env:NAME} or ${file:/path}; better: a .pgpass file',
  service: 'a service of pg_service.conf',
};

const libpqKeys: Readonly<Record<string, Key<string>>> = Object.fromEntries(
  Object.entries(connectionKeywords)
    .filter(([, { use }]) => use === 'used')
    .map(([name]) => [name, key(anyText, described[name] ?? 'as in libpq', aliases[name])]),
);

export const connectionKeys = {
  conn: key(text, 'a connection string, URI or key=value; the other settings win', [
    'dsn',
    'dbconn',
    'dbdsn',
    'pgconn',
  ]),
  ...libpqKeys,
};

/** How Tahr uses the database. */
export const databaseKeys = {
  status: key(choice(connectionStatuses), 'active or inactive'),
  makedelta: key(boolean, 'on: what Tahr writes here is captured again, for chains'),
  ...queueKeys,
};

/** What was given, without `conn`; an empty value is kept, so that it can take one away. */
export const connectionParameters = (settings: Readonly<Record<string, unknown>>): ConnectionParameters => {
  const conninfo = settings['conn'];
  const given = Object.entries(settings).filter(
    (entry): entry is [string, string] => Object.hasOwn(libpqKeys, entry[0]) && typeof entry[1] === 'string',
  );
  return { ...(typeof conninfo === 'string' ? parseConninfo(conninfo) : {}), ...Object.fromEntries(given) };
};

/** For several databases in one command, lists are dealt out in turn, and the last element serves the rest. */
export const parametersOf = (
  parameters: ConnectionParameters,
  turn: { index: number; count: number },
): ConnectionParameters => {
  if (turn.count === 1) return parameters;
  const dealt = Object.entries(parameters).map(([name, value]) => {
    const elements = splitList(value);
    return [name, elements[Math.min(turn.index, elements.length - 1)] ?? value];
  });
  return Object.fromEntries(dealt) as ConnectionParameters;
};

/** Empty values are no values. */
export const withoutEmpty = (parameters: ConnectionParameters): ConnectionParameters =>
  Object.fromEntries(Object.entries(parameters).filter(([, value]) => value !== ''));

/** The command that connects in the same way, without secrets. */
export const psqlCommand = (parameters: ConnectionParameters): string => {
  const { host, port, user, dbname, service, ...others } = parameters;
  const flags = [
    ['-p', port],
    ['-U', user],
    ['-d', dbname],
    ['-h', host],
  ].flatMap(([flag, value]) => (value === undefined ? [] : [`${flag} ${value}`]));
  const rest = Object.entries({ ...(service === undefined ? {} : { service }), ...others })
    .filter(([name]) => connectionKeywords[name]?.isSecret !== true)
    .map(([name, value]) => `${name}=${value}`);
  return ['psql', ...flags, ...(rest.length === 0 ? [] : [`"${rest.join(' ')}"`])].join(' ');
};
