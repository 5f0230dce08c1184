/** A cluster that is taken over by the next version with `pg_upgrade`. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Server, startServer } from '../../tools/embedded-postgres.ts';
import { type Binaries, findBinaries, findInstalled, runAs } from '../../tools/postgres-binaries.ts';
import { createCluster, giveToServer } from '../../tools/postgres-cluster.ts';

const run = promisify(execFile);

const newMajor = 15;

/** Null where it is not installed: npm has no `pg_upgrade`. */
export const installedUpgrade = await findInstalled(newMajor);

export interface Upgraded extends AsyncDisposable {
  readonly server: Server;
}

/** @param old of version 14 from npm, or of the installed one; it is stopped here */
export const upgrade = async (old: Server): Promise<Upgraded> => {
  if (installedUpgrade === null) throw new Error('pg_upgrade is not installed');
  await old.stop();
  const directory = await mkdtemp(join(tmpdir(), 'tahr-upgrade-'));
  await giveToServer(directory);
  const dataDirectory = join(directory, 'data');
  await createCluster(installedUpgrade, dataDirectory);
  const oldPrograms =
    old.major === newMajor
      ? installedUpgrade.directory
      : await wrapPrograms(await findBinaries(old.major), join(directory, 'old-programs'));
  await run(
    join(installedUpgrade.directory, 'pg_upgrade'),
    pairs({
      '-U': 'postgres',
      '-b': oldPrograms,
      '-B': installedUpgrade.directory,
      '-d': old.dataDirectory,
      '-D': dataDirectory,
      '-s': directory,
    }),
    { ...runAs, env: installedUpgrade.environment, cwd: directory },
  ).catch((error: { stdout?: string }) => {
    throw new Error(`pg_upgrade failed: ${error.stdout}`, { cause: error });
  });
  const server = await startServer({ binaries: installedUpgrade, directory, settings: { fsync: 'off' } });
  return {
    server,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
};

const pairs = (options: Readonly<Record<string, string>>): string[] => Object.entries(options).flat();

/**
 * `pg_upgrade` asks two programs about the old cluster that the npm packages lack. Those of the new version can read its
 * control file, which has the same form from 13 to 17; one of them has to be shown a directory of its own version.
 */
const wrapPrograms = async (old: Binaries, directory: string): Promise<string> => {
  const installed = installedUpgrade?.directory ?? '';
  await mkdir(directory);
  const libraries = old.environment['LD_LIBRARY_PATH'] ?? '';
  const programs = {
    postgres: `LD_LIBRARY_PATH='${libraries}' exec '${old.path('postgres')}' "$@"`,
    pg_ctl: `LD_LIBRARY_PATH='${libraries}' exec '${old.path('pg_ctl')}' "$@"`,
    pg_controldata: `exec '${installed}/pg_controldata' "$@"`,
    pg_resetwal: `
      [ "$1" = -n ] || exec '${installed}/pg_resetwal' "$@"
      copy=$(mktemp -d)
      mkdir "$copy/global" && cp "$2/global/pg_control" "$copy/global/" && cp -r "$2/pg_wal" "$copy/"
      echo ${newMajor} > "$copy/PG_VERSION"
      '${installed}/pg_resetwal' -n "$copy"
      status=$?
      rm -r "$copy"
      exit $status`,
  };
  for (const [name, text] of Object.entries(programs)) {
    await writeFile(join(directory, name), `#!/bin/sh\n${text}\n`);
    await chmod(join(directory, name), 0o755);
  }
  return directory;
};
