/** Makes the data directory of a server, owned by the account that the server runs as. */
import { execFile } from 'node:child_process';
import { chown, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Binaries, runAs } from './postgres-binaries.ts';
import { giveOwnIdentity } from './postgres-identity.ts';

const run = promisify(execFile);

/** initdb takes most of a second: it is done once per version, and every server starts as a copy of its result. */
export const createCluster = async (binaries: Binaries, dataDirectory: string): Promise<void> => {
  if (await exists(join(dataDirectory, 'PG_VERSION'))) return;
  const template = await createTemplate(binaries);
  await copyCluster(template, dataDirectory);
  await giveOwnIdentity(dataDirectory);
};

/** Of a server that is not running; the copy has the same identity. */
export const copyCluster = async (from: string, to: string): Promise<void> => {
  await run('cp', ['-a', '--reflink=auto', from, to], { ...runAs });
};

const createTemplate = async (binaries: Binaries): Promise<string> => {
  const template = join(binaries.cacheDirectory, 'template');
  if (await exists(template)) return template;
  const draft = await mkdtemp(join(binaries.cacheDirectory, 'initdb-'));
  await giveToServer(draft);
  const data = join(draft, 'data');
  const options = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  await run(binaries.path('initdb'), ['-D', data, ...options], {
    ...runAs,
    env: binaries.environment,
    cwd: '/',
  });
  // Another process may have been faster; then its template is as good as ours.
  await rename(data, template).catch(async (error: unknown) => {
    if (!(await exists(template))) throw error;
  });
  await rm(draft, { recursive: true, force: true });
  return template;
};

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Makes the directory if it is not there, and hands it over. */
export const giveToServer = async (path: string): Promise<void> => {
  await mkdir(path, { recursive: true });
  if (runAs !== null) await chown(path, runAs.uid, runAs.gid);
};
