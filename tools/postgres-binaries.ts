/**
 * Finds the PostgreSQL programs of one major version in node_modules and makes them runnable without the install
 * scripts of their packages: npm packs no symbolic links, so the links to the libraries are made in a cache below
 * the temporary directory. If the account that runs the server cannot read the checkout (a home directory of root),
 * the programs are copied there too.
 */
import { execFile } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Options for `spawn`: PostgreSQL does not run as root, so root starts it as nobody; anybody else, as himself. */
export const runAs = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : null;

export interface Binaries {
  readonly major: number;
  path(program: 'initdb' | 'postgres' | 'pg_ctl'): string;
  readonly environment: NodeJS.ProcessEnv;
  /** Of this user and this exact build of PostgreSQL. */
  readonly cacheDirectory: string;
}

interface Package {
  readonly name: string;
  readonly version: string;
  readonly native: string;
}

export const findBinaries = async (major: number): Promise<Binaries> => {
  const { name, version, native } = await findPackage(major);
  const cacheDirectory = await openCache(`${name}-${version}`);
  const links = await once(join(cacheDirectory, 'links'), (draft) => makeLinks(native, draft));
  const inPlace = binariesAt(major, native, links, cacheDirectory);
  if (await isRunnable(inPlace)) return inPlace;
  const copy = await once(join(cacheDirectory, 'native'), (draft) => cp(native, draft, { recursive: true }));
  return binariesAt(
    major,
    copy,
    await once(join(cacheDirectory, 'links-to-copy'), (draft) => makeLinks(copy, draft)),
    cacheDirectory,
  );
};

/**
 * PostgreSQL as Debian installs it (the package `postgresql-15`), with programs that the npm packages lack; null where it is not
 * installed.
 */
export const findInstalled = async (
  major: number,
): Promise<(Binaries & { readonly directory: string }) | null> => {
  const directory = `/usr/lib/postgresql/${major}/bin`;
  if (!(await isThere(join(directory, 'pg_upgrade')))) return null;
  return {
    major,
    directory,
    path: (program) => join(directory, program),
    environment: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' },
    cacheDirectory: await openCache(`installed-${major}`),
  };
};

const binariesAt = (major: number, native: string, links: string, cacheDirectory: string): Binaries => ({
  major,
  path: (program) => join(native, 'bin', program),
  environment: {
    PATH: process.env['PATH'],
    LC_ALL: 'C',
    TZ: 'UTC',
    LD_LIBRARY_PATH: `${links}:${join(native, 'lib')}`,
  },
  cacheDirectory,
});

const findPackage = async (major: number): Promise<Package> => {
  const name = `pg${major}-${process.platform}-${process.arch}`;
  const manifest = await findManifest(name);
  const { version } = JSON.parse(await readFile(manifest, 'utf8')) as { version: string };
  return { name, version, native: join(dirname(manifest), 'native') };
};

/** The packages export no package.json, so it is looked for where Node would look for the package. */
const findManifest = async (name: string): Promise<string> => {
  for (const directory of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    const manifest = join(directory, name, 'package.json');
    if (await isThere(manifest)) return manifest;
  }
  throw new Error(
    `There is no PostgreSQL for this machine: the package ${name} is not installed. Run npm ci.`,
  );
};

/** A directory that nobody else could have prepared for us. */
const openCache = async (key: string): Promise<string> => {
  const uid = process.getuid?.() ?? 0;
  const root = join(tmpdir(), `tahr-postgres-${uid}`);
  await mkdir(root, { recursive: true, mode: 0o755 });
  if ((await stat(root)).uid !== uid)
    throw new Error(`${root} belongs to somebody else; remove it or set TMPDIR.`);
  const cache = join(root, key);
  await mkdir(cache, { recursive: true, mode: 0o755 });
  await Promise.all([root, cache].map((path) => chmod(path, 0o755)));
  return cache;
};

/** Makes a directory whole or not at all, also when several processes want it at the same time. */
const once = async (path: string, fill: (draft: string) => Promise<unknown>): Promise<string> => {
  if (await isThere(path)) return path;
  const draft = await mkdtemp(`${path}-`);
  await fill(draft);
  await chmod(draft, 0o755);
  await rename(draft, path).catch(async (error: unknown) => {
    if (!(await isThere(path))) throw error;
    await rm(draft, { recursive: true, force: true });
  });
  return path;
};

const makeLinks = async (native: string, directory: string): Promise<void> => {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8');
  const links = JSON.parse(text) as { source: string; target: string }[];
  for (const { source, target } of links)
    await symlink(join(native, '..', source), join(directory, basename(target)));
};

const isRunnable = (binaries: Binaries): Promise<boolean> =>
  run(binaries.path('postgres'), ['--version'], { ...runAs, env: binaries.environment, cwd: '/' }).then(
    () => true,
    () => false,
  );

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
