/**
 * The connection keywords of libpq (PostgreSQL manual 34.1.2), each with its environment variable (34.15).
 *
 * A keyword that we cannot honour and that somebody set for safety is refused, never passed over. One that changes
 * nothing here (there is no GSSAPI, the session sets its own encoding and name) is accepted and has no effect.
 */
import { didYouMean } from './nearest.ts';
import type { ConnectionParameters } from './topology.ts';

interface Keyword {
  readonly use: 'used' | 'ignored' | 'refused';
  readonly environment?: string;
  readonly default?: string;
  readonly values?: readonly string[];
  readonly isSecret?: true;
}

const sslVersions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

export const connectionKeywords: Readonly<Record<string, Keyword>> = {
  service: { use: 'used', environment: 'PGSERVICE' },
  servicefile: { use: 'used', environment: 'PGSERVICEFILE' },
  host: { use: 'used', environment: 'PGHOST' },
  hostaddr: { use: 'used', environment: 'PGHOSTADDR' },
  port: { use: 'used', environment: 'PGPORT', default: '5432' },
  dbname: { use: 'used', environment: 'PGDATABASE' },
  user: { use: 'used', environment: 'PGUSER' },
  password: { use: 'used', environment: 'PGPASSWORD', isSecret: true },
  passfile: { use: 'used', environment: 'PGPASSFILE' },
  options: { use: 'used', environment: 'PGOPTIONS' },
  connect_timeout: { use: 'used', environment: 'PGCONNECT_TIMEOUT', default: '15' },
  target_session_attrs: {
    use: 'used',
    environment: 'PGTARGETSESSIONATTRS',
    default: 'any',
    values: ['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'],
  },
  load_balance_hosts: {
    use: 'used',
    environment: 'PGLOADBALANCEHOSTS',
    default: 'disable',
    values: ['disable', 'random'],
  },
  keepalives: { use: 'used', default: '1', values: ['0', '1'] },
  keepalives_idle: { use: 'used', default: '10' },
  sslmode: {
    use: 'used',
    environment: 'PGSSLMODE',
    values: ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'],
  },
  sslnegotiation: {
    use: 'used',
    environment: 'PGSSLNEGOTIATION',
    default: 'postgres',
    values: ['postgres', 'direct'],
  },
  sslrootcert: { use: 'used', environment: 'PGSSLROOTCERT' },
  sslcert: { use: 'used', environment: 'PGSSLCERT' },
  sslkey: { use: 'used', environment: 'PGSSLKEY' },
  sslpassword: { use: 'used', isSecret: true },
  sslcrl: { use: 'used', environment: 'PGSSLCRL' },
  ssl_min_protocol_version: {
    use: 'used',
    environment: 'PGSSLMINPROTOCOLVERSION',
    default: 'TLSv1.2',
    values: sslVersions,
  },
  ssl_max_protocol_version: { use: 'used', environment: 'PGSSLMAXPROTOCOLVERSION', values: sslVersions },
  channel_binding: {
    use: 'used',
    environment: 'PGCHANNELBINDING',
    default: 'prefer',
    values: ['disable', 'prefer'],
  },
  gssencmode: { use: 'ignored', environment: 'PGGSSENCMODE', values: ['disable', 'prefer'] },
  application_name: { use: 'ignored' },
  fallback_application_name: { use: 'ignored' },
  client_encoding: { use: 'ignored' },
  keepalives_interval: { use: 'ignored' },
  keepalives_count: { use: 'ignored' },
  tcp_user_timeout: { use: 'ignored' },
  sslcompression: { use: 'ignored' },
  sslsni: { use: 'ignored' },
  krbsrvname: { use: 'ignored' },
  gsslib: { use: 'ignored' },
  gssdelegation: { use: 'ignored' },
  replication: { use: 'refused' },
  requirepeer: { use: 'refused', environment: 'PGREQUIREPEER' },
  require_auth: { use: 'refused', environment: 'PGREQUIREAUTH' },
  min_protocol_version: { use: 'refused', environment: 'PGMINPROTOCOLVERSION' },
  max_protocol_version: { use: 'refused', environment: 'PGMAXPROTOCOLVERSION' },
  sslcertmode: { use: 'refused', environment: 'PGSSLCERTMODE' },
  sslcrldir: { use: 'refused', environment: 'PGSSLCRLDIR' },
  sslkeylogfile: { use: 'refused' },
  scram_client_key: { use: 'refused', isSecret: true },
  scram_server_key: { use: 'refused', isSecret: true },
  oauth_issuer: { use: 'refused' },
  oauth_client_id: { use: 'refused' },
  oauth_client_secret: { use: 'refused', isSecret: true },
  oauth_scope: { use: 'refused' },
};

/** What is wrong with the keyword, in a sentence; null if libpq has it and we can honour it. */
export const keywordProblem = (name: string): string | null => {
  const keyword = Object.hasOwn(connectionKeywords, name) ? connectionKeywords[name] : undefined;
  if (keyword === undefined) {
    return `"${name}" is not a connection keyword.${didYouMean(name, Object.keys(connectionKeywords))}`;
  }
  return keyword.use === 'refused'
    ? `The connection keyword "${name}" is not supported; leave it out.`
    : null;
};

/** What is wrong with the value of a known keyword, in a sentence; null if nothing. */
export const valueProblem = (name: string, value: string): string | null => {
  const values = connectionKeywords[name]?.values;
  if (values === undefined || value === '' || values.includes(value)) return null;
  return `${name}=${value} is not possible; it can be ${values.join(', ')}.`;
};

/** As key=value for messages; secrets are replaced by stars, and so is everything that is not a known keyword. */
export const redacted = (parameters: ConnectionParameters): string =>
  Object.entries(parameters)
    .map(([name, value]) => {
      const keyword = Object.hasOwn(connectionKeywords, name) ? connectionKeywords[name] : undefined;
      return `${name}=${keyword === undefined || keyword.isSecret ? '***' : quoted(value)}`;
    })
    .join(' ');

const quoted = (value: string): string =>
  /^[^\s'\\]+$/u.test(value) ? value : `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
