/** A file system of its own that a test can fill up: a small tmpfs. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { chmod, mkdir, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { giveToServer } from '../../tools/postgres-cluster.ts';

export interface SmallDisk extends AsyncDisposable {
  /** An empty directory on it that belongs to the account of the servers. */
  directory(name: string): Promise<string>;
  /** Nothing can be written there any more. */
  fill(): Promise<void>;
  /** What `fill` has written goes. */
  makeRoom(): Promise<void>;
}

const mount = (megabytes: number): string => {
  const path = mkdtempSync(join(tmpdir(), 'tahr-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path], { stdio: 'ignore' });
    return path;
  } catch (error) {
    rmdirSync(path);
    throw error;
  }
};

/** Also while something there is still open: it is out of the way at once, and gone with the last who holds it. */
const unmount = (path: string): void => {
  execFileSync('umount', ['--lazy', path], { stdio: 'ignore' });
  rmdirSync(path);
};

const tryToMount = (): boolean => {
  try {
    unmount(mount(1));
    return true;
  } catch {
    return false;
  }
};

export const canMount: boolean = tryToMount();

const blockBytes = 64 * 1024;

export const createSmallDisk = async (megabytes: number): Promise<SmallDisk> => {
  const path = mount(megabytes);
  await chmod(path, 0o755);
  const ballast = join(path, 'ballast');
  return {
    async directory(name) {
      const directory = join(path, name);
      await mkdir(directory);
      await giveToServer(directory);
      return directory;
    },
    async fill() {
      await using file = await open(ballast, 'a');
      try {
        for (const block = Buffer.alloc(blockBytes); ; ) await file.write(block);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    },
    makeRoom: () => rm(ballast, { force: true }),
    [Symbol.asyncDispose]: async () => unmount(path),
  };
};
