/** The real program against real databases: an installation of its own for each test file. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ConnectionParameters } from '../../src/model/topology.ts';
import { createDatabase, type TestDatabase } from '../support/databases.ts';

export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Installation extends AsyncDisposable {
  readonly control: TestDatabase;
  /** Empty at first, and gone at the end. */
  readonly directory: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Runs `tahr` with these arguments. */
  tahr(...args: readonly string[]): Promise<Run>;
  /** The same where success is expected: its stdout. */
  ok(...args: readonly string[]): Promise<string>;
}

const launcher = fileURLToPath(new URL('../../bin/tahr.js', import.meta.url));

const conninfo = (parameters: ConnectionParameters): string =>
  Object.entries(parameters)
    .map(([name, value]) => `${name}='${value}'`)
    .join(' ');

/** Settings for `add db`. */
export const settings = (parameters: ConnectionParameters): string[] =>
  Object.entries(parameters).map(([name, value]) => `${name}=${value}`);

export const runTahr = (
  args: readonly string[],
  options: { environment: NodeJS.ProcessEnv; cwd: string },
): Promise<Run> =>
  new Promise((resolve) => {
    const { environment: env, cwd } = options;
    execFile(process.execPath, [launcher, ...args], { env, cwd }, (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1;
      resolve({ code, stdout, stderr });
    });
  });

/** With `install` done already, unless told otherwise. */
export const createInstallation = async (
  options: { isInstalled: boolean } = { isInstalled: true },
): Promise<Installation> => {
  const control = await createDatabase('control');
  const directory = await mkdtemp(join(tmpdir(), 'tahr-cli-'));
  const environment = {
    PATH: process.env['PATH'],
    HOME: directory,
    TAHR_CONTROL: conninfo(control.parameters),
    TAHR_STATE_DIRECTORY: directory,
  };
  const tahr = (...args: readonly string[]): Promise<Run> => runTahr(args, { environment, cwd: directory });
  const ok = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await tahr(...args);
    if (code !== 0) throw new Error(`tahr ${args.join(' ')} ended with ${code}:\n${stderr}${stdout}`);
    return stdout;
  };
  if (options.isInstalled) await ok('install');
  return {
    control,
    directory,
    environment,
    tahr,
    ok,
    async [Symbol.asyncDispose]() {
      await control[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
};
