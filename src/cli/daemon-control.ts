/** Starting and stopping the daemon, by what the control store knows of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/config.ts';
import { type DaemonFacts, findDaemon, requestDaemonStop } from '../control/daemon.ts';
import { ReplicationError } from '../model/errors.ts';
import { look } from './change.ts';
import type { Context } from './context.ts';

const lookEveryMs = 100;
const startWithinMs = 30_000;
/** After so long the process itself is told, if it is on this host; after twice as long, once more. */
const politeMs = 10_000;

export const currentDaemon = (context: Context): Promise<DaemonFacts | null> => look(context, findDaemon);

/** Starts a daemon in the background; returns when it is at work. @throws ReplicationError with the end of its log when it died */
export const startDaemon = async (context: Context): Promise<{ pid: number; log: string }> => {
  const log = backgroundLog(await context.config());
  const size = sizeOf(log);
  const file = openLog(log);
  const child = spawn(process.execPath, [launcher, 'run', '--log-destination', log, ...passedOn(context)], {
    detached: true,
    stdio: ['ignore', file, file],
    env: environmentFor(context),
  });
  closeSync(file);
  child.unref();
  let isGone = false;
  void once(child, 'exit').then(() => (isGone = true));
  const { pid } = child;
  for (const until = Date.now() + startWithinMs; Date.now() < until; ) {
    const daemon = await currentDaemon(context);
    if (pid !== undefined && daemon?.pid === pid && daemon.host === hostname()) return { pid, log };
    if (isGone) throw died(log, size);
    await sleep(lookEveryMs);
  }
  throw new ReplicationError('timed_out', {
    message: `The daemon (process ${pid}) has not come to work within ${startWithinMs / 1000} s.`,
    hint: `Its log says why: ${log}`,
  });
};

const launcher = fileURLToPath(new URL('../../bin/tahr.js', import.meta.url));

/** A file: where it was told to log to a stream, there is none in the background. */
const backgroundLog = ({ logDestination, stateDirectory, schema }: Config): string =>
  logDestination === null || ['stderr', 'stdout'].includes(logDestination)
    ? join(stateDirectory, `${schema}.log`)
    : logDestination;

const passedOn = ({ options }: Context): string[] => [
  ...(options.config === undefined ? [] : ['--config', options.config]),
  ...(options.schema === undefined ? [] : ['--schema', options.schema.at(-1) ?? '']),
  ...(options.logLevel === undefined ? [] : ['--log-level', options.logLevel]),
  ...(options.stateDirectory === undefined ? [] : ['--state-directory', options.stateDirectory]),
];

/** There may be a password in it, and arguments can be read by everybody on the host. */
const environmentFor = ({ options }: Context): NodeJS.ProcessEnv =>
  options.control === undefined ? process.env : { ...process.env, TAHR_CONTROL: options.control };

const openLog = (path: string): number => {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, 'a', 0o600);
  } catch (error) {
    throw new ReplicationError('configuration_invalid', {
      message: `The log file ${path} cannot be written: ${(error as Error).message}`,
      hint: 'Name another with --log-destination, or another directory with --state-directory.',
      cause: error,
    });
  }
};

const sizeOf = (path: string): number => {
  try {
    return readFileSync(path).length;
  } catch {
    return 0;
  }
};

const died = (log: string, size: number): ReplicationError => {
  const lines = readFileSync(log).subarray(size).toString('utf8').trim().split('\n').slice(-10);
  return new ReplicationError('daemon_not_running', {
    message: [
      'The daemon ended before it came to work. The end of its log:',
      ...lines.map((line) => `  ${line}`),
    ].join('\n'),
    hint: `The whole log: ${log}`,
  });
};

/** Asks the daemon to end, and returns when it has. */
export const stopDaemon = async (context: Context, daemon: DaemonFacts): Promise<void> => {
  await look(context, requestDaemonStop);
  const startedAt = Date.now();
  let signals = 0;
  while ((await isAtWork(context, daemon)) && Date.now() - startedAt < 3 * politeMs) {
    const isDue = Date.now() - startedAt > politeMs * (signals + 1);
    if (isDue && daemon.host === hostname()) {
      signals += 1;
      terminate(daemon.pid);
    }
    await sleep(lookEveryMs);
  }
  if (!(await isAtWork(context, daemon))) return;
  throw new ReplicationError('timed_out', {
    message: `The daemon (process ${daemon.pid} on ${daemon.host}) was asked to stop ${(3 * politeMs) / 1000} s ago and is still at work.`,
    hint:
      daemon.host === hostname()
        ? `\`kill -KILL ${daemon.pid}\` ends it; nothing is lost by that.`
        : `Look at it on ${daemon.host}.`,
  });
};

const isAtWork = async (context: Context, { id }: DaemonFacts): Promise<boolean> =>
  (await currentDaemon(context))?.id === id;

const terminate = (pid: number): void => {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // It has ended in this moment, or belongs to somebody else: the store will tell.
  }
};
