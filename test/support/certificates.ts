/** Copies of the test certificates with the owner and mode that PostgreSQL and libpq demand of a key. */
import { chmod, chown, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runAs } from '../../tools/postgres-binaries.ts';

export interface Certificates extends AsyncDisposable {
  /** `root.crt` signed `server.crt` (for localhost) and `client.crt` (for the role by_certificate), not `stranger.crt`. */
  path(file: string): string;
  /** Settings of a server that offers TLS and knows the authority of the client certificate. */
  readonly serverSettings: Readonly<Record<string, string>>;
}

export const copyCertificates = async (): Promise<Certificates> => {
  const directory = await mkdtemp(join(tmpdir(), 'tahr-certificates-'));
  const path = (file: string) => join(directory, file);
  await cp(join(import.meta.dirname, 'certificates'), directory, { recursive: true });
  await chmod(directory, 0o755);
  for (const key of ['server.key', 'client.key']) await chmod(path(key), 0o600);
  if (runAs !== null) await chown(path('server.key'), runAs.uid, runAs.gid);
  return {
    path,
    serverSettings: {
      ssl: 'on',
      ssl_cert_file: path('server.crt'),
      ssl_key_file: path('server.key'),
      ssl_ca_file: path('root.crt'),
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
};
