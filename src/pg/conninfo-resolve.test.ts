import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resolveConninfo } from './conninfo-resolve.ts';

let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tahr-home-'));
  await writeFile(
    join(home, '.pg_service.conf'),
    '# services\n[other]\nhost=other\n[shop]\n  host=from-service\nport=7777\nhost=second\n[wrong]\nhots=x\n',
  );
  await writeFile(join(home, 'password'), 'from file\n');
});

afterAll(() => rm(home, { recursive: true }));

const resolve = (parameters: Record<string, string>, environment: NodeJS.ProcessEnv = {}) =>
  resolveConninfo(parameters, { HOME: home, ...environment });

test('given comes before service, service before environment, environment before default', async () => {
  const environment = {
    PGHOST: 'from-environment',
    PGPORT: '6666',
    PGUSER: 'from-environment',
    PGSERVICE: 'shop',
  };
  const resolved = await resolve({ port: '5555' }, environment);
  expect(resolved.places).toEqual([{ host: 'from-service', address: 'from-service', port: 5555 }]);
  expect(resolved.user).toBe('from-environment');
  expect(resolved.dbname).toBe('from-environment');
  expect(resolved.parameters['target_session_attrs']).toBe('any');
});

test('the user is that of the system and the database that of the user', async () => {
  const resolved = await resolve({ host: 'h' });
  expect(resolved).toMatchObject({ user: userInfo().username, dbname: userInfo().username });
  expect(resolved.places).toEqual([{ host: 'h', address: 'h', port: 5432 }]);
});

test('several hosts have their own ports, or share one', async () => {
  const own = await resolve({ host: 'a,b,c', port: '1,,3' });
  expect(own.places.map(({ host, port }) => `${host}:${port}`)).toEqual(['a:1', 'b:5432', 'c:3']);
  const shared = await resolve({ host: 'a,b', hostaddr: '10.0.0.1,10.0.0.2', port: '9' });
  expect(shared.places).toEqual([
    { host: 'a', address: '10.0.0.1', port: 9 },
    { host: 'b', address: '10.0.0.2', port: 9 },
  ]);
});

test('references are replaced, also inside a value', async () => {
  const { parameters } = await resolve(
    { password: `\${file:${home}/password}`, host: '${env:NODE}.example.com' },
    { NODE: 'db1' },
  );
  expect(parameters).toMatchObject({ password: 'from file', host: 'db1.example.com' });
});

test.each([
  [{ password: '${env:MISSING}' }, 'needs the environment variable MISSING, which is not set'],
  [{ password: '${file:/nowhere/at/all}' }, 'needs the file /nowhere/at/all, which does not exist'],
  [{ host: 'a,b', port: '1,2,3' }, '3 ports for 2 hosts'],
  [{ host: 'a,b', hostaddr: '10.0.0.1' }, '2 names in "host" and 1 addresses'],
  [{ port: '70000' }, 'port=70000 is not a port number'],
  [{ port: 'abc' }, 'port=abc is not a port number'],
  [{ sslmode: 'on' }, 'sslmode=on is not possible; it can be disable, allow'],
  [{ hots: 'x' }, 'Did you mean "host"?'],
  [{ service: 'absent' }, 'The connection service "absent" is neither in'],
  [{ service: 'wrong' }, '"hots" is not a connection keyword'],
  [{ servicefile: '/nowhere/at/all', service: 'shop' }, 'The service file /nowhere/at/all cannot be read'],
  [{ channel_binding: 'require' }, 'channel_binding=require is not possible'],
])('%j is refused', async (parameters, sentence) => {
  await expect(resolve(parameters as Record<string, string>)).rejects.toMatchObject({
    code: 'configuration_invalid',
    message: expect.stringContaining(sentence) as string,
  });
});

test('an environment variable that asks for what we cannot honour is refused', async () => {
  await expect(resolve({}, { PGREQUIREAUTH: 'scram-sha-256' })).rejects.toMatchObject({
    code: 'configuration_invalid',
  });
});
