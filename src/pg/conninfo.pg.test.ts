import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Server, startServer } from '../../tools/embedded-postgres.ts';
import { type Certificates, copyCertificates } from '../../test/support/certificates.ts';
import { connect } from './conninfo.ts';
import { sql } from './sql.ts';

const hba = `
local   all postgres                     trust
host    all postgres        127.0.0.1/32 trust
hostssl all only_tls        127.0.0.1/32 scram-sha-256
hostnossl all only_plain    127.0.0.1/32 scram-sha-256
hostssl all by_certificate  127.0.0.1/32 cert
host    all app             127.0.0.1/32 scram-sha-256
local   all app                          scram-sha-256
host    all old             127.0.0.1/32 md5
`;

let certificates: Certificates;
let encrypted: Server;
let plain: Server;
let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tahr-home-'));
  certificates = await copyCertificates();
  const fast = { fsync: 'off' };
  encrypted = await startServer({ hba, settings: { ...fast, ...certificates.serverSettings } });
  plain = await startServer({ hba, settings: fast });
  for (const server of [encrypted, plain]) {
    await using session = await connect(server.parameters, { label: 'setup', applicationName: 'test' });
    for (const role of ['app', 'only_tls', 'only_plain', 'by_certificate']) {
      await session.script(sql`create role ${sql.id(role)} login password 'secret'`);
    }
    await session.script(sql`set password_encryption = 'md5'`, sql`create role old login password 'secret'`);
  }
});

afterAll(async () => {
  await encrypted[Symbol.asyncDispose]();
  await plain[Symbol.asyncDispose]();
  await certificates[Symbol.asyncDispose]();
  await rm(home, { recursive: true });
});

const overTcp = (server: Server, more: Record<string, string> = {}) => ({
  host: 'localhost',
  hostaddr: '127.0.0.1',
  port: String(server.port),
  dbname: 'postgres',
  user: 'postgres',
  ...more,
});

/** Whether the connection is encrypted, or the code of the failure. */
const outcome = async (
  parameters: Record<string, string>,
  environment: NodeJS.ProcessEnv = {},
): Promise<string> => {
  try {
    await using session = await open(parameters, environment);
    const [row] = await session.query(sql`select ssl::text from pg_stat_ssl where pid = pg_backend_pid()`);
    return row?.['ssl'] === 'true' ? 'encrypted' : 'plain';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

const open = (parameters: Record<string, string>, environment: NodeJS.ProcessEnv = {}) =>
  connect(parameters, { label: 'A', applicationName: 'test' }, { HOME: home, ...environment });

const failure = (parameters: Record<string, string>, environment: NodeJS.ProcessEnv = {}) =>
  open(parameters, environment).then(
    () => expect.unreachable('the connection was made'),
    (error: unknown) => error as { code: string; message: string; hint: string },
  );

const withPasswordFile = async (text: string, mode = 0o600): Promise<string> => {
  const path = join(await mkdtemp(join(home, 'pass-')), 'pgpass');
  await writeFile(path, text);
  await chmod(path, mode);
  return path;
};

test.each([
  ['disable', 'plain', 'plain'],
  ['allow', 'plain', 'plain'],
  ['prefer', 'encrypted', 'plain'],
  ['require', 'encrypted', 'database_unreachable'],
])('sslmode=%s is %s where the server offers TLS, and %s where not', async (sslmode, offered, notOffered) => {
  expect(await outcome(overTcp(encrypted, { sslmode }))).toBe(offered);
  expect(await outcome(overTcp(plain, { sslmode }))).toBe(notOffered);
});

test('allow turns to TLS and prefer to plain text where the server insists on it', async () => {
  const account = (user: string, sslmode: string) =>
    overTcp(encrypted, { user, sslmode, password: 'secret' });
  expect(await outcome(account('only_tls', 'allow'))).toBe('encrypted');
  expect(await outcome(account('only_plain', 'prefer'))).toBe('plain');
  expect(await outcome(account('only_tls', 'disable'))).toBe('access_denied');
  expect(await outcome(account('only_plain', 'require'))).toBe('access_denied');
});

test('require checks the certificate only if there is a root certificate', async () => {
  const require = (more: Record<string, string>) =>
    outcome(overTcp(encrypted, { sslmode: 'require', ...more }));
  expect(await require({})).toBe('encrypted');
  expect(await require({ sslrootcert: certificates.path('root.crt') })).toBe('encrypted');
  expect(await require({ sslrootcert: certificates.path('stranger.crt') })).toBe('tls_failed');
  expect(await require({ sslrootcert: '/nowhere/root.crt' })).toBe('encrypted');
});

test('verify-ca accepts any host name and verify-full only that of the certificate', async () => {
  const root = { sslrootcert: certificates.path('root.crt') };
  const named = (sslmode: string, host: string) => outcome(overTcp(encrypted, { ...root, sslmode, host }));
  expect(await named('verify-ca', 'db.example.com')).toBe('encrypted');
  expect(await named('verify-full', 'localhost')).toBe('encrypted');
  expect(await named('verify-full', 'db.example.com')).toBe('tls_failed');
  expect(await named('verify-full', '127.0.0.1')).toBe('tls_failed');
});

test('verify-ca and verify-full refuse a stranger, and do not begin without a root certificate', async () => {
  const stranger = { sslrootcert: certificates.path('stranger.crt') };
  for (const sslmode of ['verify-ca', 'verify-full']) {
    expect(await outcome(overTcp(encrypted, { sslmode, ...stranger }))).toBe('tls_failed');
    expect(await outcome(overTcp(encrypted, { sslmode }))).toBe('configuration_invalid');
  }
  expect((await failure(overTcp(encrypted, { sslmode: 'verify-full', ...stranger }))).message).toContain(
    'localhost',
  );
});

test('the root certificate is found in the home directory', async () => {
  const ownHome = await mkdtemp(join(home, 'with-root-'));
  await mkdir(join(ownHome, '.postgresql'));
  await writeFile(join(ownHome, '.postgresql/root.crt'), await readFile(certificates.path('stranger.crt')));
  expect(await outcome(overTcp(encrypted, { sslmode: 'require' }), { HOME: ownHome })).toBe('tls_failed');
  expect(await outcome(overTcp(encrypted, { sslmode: 'prefer' }), { HOME: ownHome })).toBe('plain');
  await writeFile(join(ownHome, '.postgresql/root.crt'), await readFile(certificates.path('root.crt')));
  expect(await outcome(overTcp(encrypted, { sslmode: 'verify-full' }), { HOME: ownHome })).toBe('encrypted');
});

test('a client certificate serves in the place of a password, and its key must be private', async () => {
  const parameters = overTcp(encrypted, {
    user: 'by_certificate',
    sslmode: 'require',
    sslcert: certificates.path('client.crt'),
    sslkey: certificates.path('client.key'),
  });
  expect(await outcome(parameters)).toBe('encrypted');
  await chmod(certificates.path('client.key'), 0o644);
  expect((await failure(parameters)).message).toContain('may be read by others');
  await chmod(certificates.path('client.key'), 0o600);
  expect(await outcome({ ...parameters, sslcert: '/nowhere' })).toBe('configuration_invalid');
});

test('TLS can begin without asking first', async () => {
  const direct = { sslnegotiation: 'direct' };
  expect(await outcome(overTcp(encrypted, { sslmode: 'require', ...direct }))).toBe('encrypted');
  expect(await outcome(overTcp(encrypted, { sslmode: 'prefer', ...direct }))).toBe('configuration_invalid');
});

test('a unix socket is never encrypted', async () => {
  expect(await outcome({ ...encrypted.parameters, sslmode: 'verify-full' })).toBe('plain');
});

test.each(['app', 'old'])(
  'the password of %s comes from the connection, the environment, or a file',
  async (user) => {
    const parameters = overTcp(plain, { user });
    const passfile = await withPasswordFile(`localhost:${plain.port}:postgres:${user}:secret\n`);
    expect(await outcome({ ...parameters, password: 'secret' })).toBe('plain');
    expect(await outcome(parameters, { PGPASSWORD: 'secret' })).toBe('plain');
    expect(await outcome(parameters, { PGPASSFILE: passfile })).toBe('plain');
    expect(await outcome({ ...parameters, password: '${env:OF_APP}' }, { OF_APP: 'secret' })).toBe('plain');
    expect(await outcome({ ...parameters, password: 'wrong' })).toBe('access_denied');
  },
);

test('the password file of the home directory is read for a unix socket by its directory', async () => {
  const ownHome = await mkdtemp(join(home, 'with-pgpass-'));
  const path = join(ownHome, '.pgpass');
  await writeFile(path, `${plain.socketDirectory}:*:*:app:secret\n`, { mode: 0o600 });
  expect(await outcome({ ...plain.parameters, user: 'app' }, { HOME: ownHome })).toBe('plain');
});

test('a password file that others may read is not used, and the message says so', async () => {
  const passfile = await withPasswordFile('*:*:*:*:secret\n', 0o644);
  const { code, message } = await failure(overTcp(plain, { user: 'app', passfile }));
  expect(code).toBe('access_denied');
  expect(message).toContain(`${passfile} does not exist or may be read by others`);
});

test('a failure names the database and the server, never the password', async () => {
  const { message } = await failure(overTcp(plain, { user: 'app', password: 'wrong-secret' }));
  expect(message).toContain('A: ');
  expect(message).toContain(`database postgres as app on localhost [127.0.0.1]:${plain.port}`);
  expect(message).not.toContain('wrong-secret');
  expect((await failure({ port: '0' })).message).toMatch(/^A: port=0 is not a port number/u);
});

test('the next host is tried when one is away, and not when it refuses the role', async () => {
  const away = { host: `127.0.0.1,127.0.0.1`, port: `1,${plain.port}` };
  const account = { user: 'app', dbname: 'postgres' };
  expect(await outcome({ ...away, ...account, password: 'secret' })).toBe('plain');
  const refused = { host: '127.0.0.1,127.0.0.1', port: `${plain.port},1`, ...account, password: 'wrong' };
  expect((await failure(refused)).message).not.toMatch(/127\.0\.0\.1:1\b/);
  const all = await failure({ host: '127.0.0.1,127.0.0.1', port: '1,2', ...account });
  expect(all.code).toBe('database_unreachable');
  expect(all.message).toContain('127.0.0.1:1)');
  expect(all.message).toContain('127.0.0.1:2)');
});

test.each(['/etc/passwd', '/nowhere', 'no-such-host.invalid'])(
  'a server at %s is unreachable',
  async (host) => {
    expect(await outcome({ host, sslmode: 'prefer' })).toBe('database_unreachable');
  },
);

test('target_session_attrs chooses among the hosts', async () => {
  await using readOnly = await startServer({
    settings: { fsync: 'off', default_transaction_read_only: 'on' },
  });
  const hosts = { host: '127.0.0.1,127.0.0.1', user: 'postgres', dbname: 'postgres' };
  const portFor = async (target_session_attrs: string): Promise<number> => {
    const port = `${readOnly.port},${plain.port}`;
    await using session = await open({ ...hosts, port, target_session_attrs });
    const [row] = await session.query(sql`select current_setting('port') as port`);
    return Number(row?.['port']);
  };
  expect(await portFor('any')).toBe(readOnly.port);
  expect(await portFor('read-write')).toBe(plain.port);
  expect(await portFor('read-only')).toBe(readOnly.port);
  expect(await portFor('primary')).toBe(readOnly.port);
  expect(await portFor('prefer-standby')).toBe(readOnly.port);
  const { code, message } = await failure({
    ...hosts,
    port: String(plain.port),
    target_session_attrs: 'standby',
  });
  expect(code).toBe('database_unreachable');
  expect(message).toContain('target_session_attrs=standby');
});

test('a server that does not answer is given up after connect_timeout', async () => {
  const silent = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  const { port } = silent.address() as AddressInfo;
  const start = performance.now();
  const { code } = await failure({
    host: '127.0.0.1',
    port: String(port),
    connect_timeout: '1',
    sslmode: 'disable',
  });
  expect(code).toBe('database_unreachable');
  expect(performance.now() - start).toBeLessThan(3000);
  silent.close();
});

test('options reach the server', async () => {
  await using session = await open({ ...plain.parameters, options: '-c work_mem=12345kB' });
  expect(await session.query(sql`select current_setting('work_mem') as value`)).toEqual([
    { value: '12345kB' },
  ]);
});
