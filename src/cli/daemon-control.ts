/** Starting and stopping daemons, by what the control store knows of them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Config } from '../config/config.ts';
import { type DaemonFacts, listDaemons, requestDaemonStop } from '../control/daemon.ts';
import { ReplicationError } from '../model/errors.ts';
import { look } from './change.ts';
import type { Context } from './context.ts';

const lookEveryMs = 100;
const startWithinMs = 30_000;
/** After so long the process itself is told, if it is on this host; after twice as long, once more. */
const politeMs = 10_000;

/** Those that are at work on the control store, on all hosts. */
export const currentDaemons = (context: Context): Promise<DaemonFacts[]> => look(context, listDaemons);

export const isHere = ({ host }: DaemonFacts): boolean => host === hostname();

/** One that was killed is at work for the control store until it has not been heard of for a while. */
export const isRunningHere = (daemon: DaemonFacts): boolean => isHere(daemon) && isProcess(daemon.pid);

const isProcess = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

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
  for (const until = performance.now() + startWithinMs; performance.now() < until; ) {
    const daemons = await currentDaemons(context);
    if (pid !== undefined && daemons.some((daemon) => isHere(daemon) && daemon.pid === pid))
      return { pid, log };
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

/** Asks daemons to end, and returns when they have. */
export const stopDaemons = async (context: Context, daemons: readonly DaemonFacts[]): Promise<void> => {
  await look(context, (db) =>
    requestDaemonStop(
      db,
      daemons.map(({ id }) => id),
    ),
  );
  const startedAt = performance.now();
  let signals = 0;
  for (;;) {
    const left = await stillAtWork(context, daemons);
    const [first] = left;
    if (first === undefined) return;
    const waitedMs = performance.now() - startedAt;
    if (waitedMs > 3 * politeMs) throw stillRunning(first);
    if (waitedMs > politeMs * (signals + 1)) {
      signals += 1;
      for (const { pid } of left.filter(isHere)) terminate(pid);
    }
    await sleep(lookEveryMs);
  }
};

const stillAtWork = async (context: Context, daemons: readonly DaemonFacts[]): Promise<DaemonFacts[]> => {
  const current = new Set((await currentDaemons(context)).map(({ id }) => id));
  return daemons.filter(({ id }) => current.has(id));
};

const stillRunning = (daemon: DaemonFacts): ReplicationError =>
  new ReplicationError('timed_out', {
    message: `The daemon (process ${daemon.pid} on ${daemon.host}) was asked to stop ${(3 * politeMs) / 1000} s ago and is still at work.`,
    hint: isHere(daemon)
      ? `\`kill -KILL ${daemon.pid}\` ends it; nothing is lost by that.`
      : `Look at it on ${daemon.host}.`,
  });

const terminate = (pid: number): void => {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // It has ended in this moment, or belongs to somebody else: the store will tell.
  }
};
