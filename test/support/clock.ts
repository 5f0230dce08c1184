/** A clock that a test sets, for the processes of a server or a daemon, while time goes on (libfaketime). */
import { readdirSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const libraryOf = (directory: string): string[] => {
  try {
    return readdirSync(`/usr/lib/${directory}/faketime`)
      .filter((name) => name === 'libfaketime.so.1')
      .map((name) => `/usr/lib/${directory}/faketime/${name}`);
  } catch {
    return [];
  }
};

/** Null where it is not installed. */
const library = readdirSync('/usr/lib').flatMap(libraryOf)[0] ?? null;

export const canSetClocks: boolean = library !== null;

export interface SetClock extends AsyncDisposable {
  /** Makes processes that start with it read this clock. */
  readonly environment: Readonly<Record<string, string>>;
  /** From now on it differs from the machine's by this: `-1h`, `+31d`, `+0`. */
  set(offset: string): Promise<void>;
}

export const createClock = async (): Promise<SetClock> => {
  if (library === null) throw new Error('libfaketime is not installed');
  const directory = await mkdtemp(join(tmpdir(), 'tahr-clock-'));
  // Root starts servers as nobody.
  await chmod(directory, 0o755);
  const file = join(directory, 'offset');
  const set = (offset: string): Promise<void> => writeFile(file, `${offset}\n`, { mode: 0o644 });
  await set('+0');
  return {
    environment: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      // Read at every look at the clock.
      FAKETIME_NO_CACHE: '1',
      // What is set is the clock on the wall.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    },
    set,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
};
