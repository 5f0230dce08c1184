/** A daemon in a process of its own, as an operator would run it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import type { ConnectionParameters } from '../../src/model/topology.ts';
import type { TestInstallation } from './installation.ts';

/** @param way how it reaches the control database, where that is not the direct one */
export const startProcess = (
  { control }: TestInstallation,
  way: Pick<ConnectionParameters, 'host' | 'port'> | null = null,
): ChildProcess => {
  const parameters: ConnectionParameters = { ...control.parameters, ...way };
  const { host, port, user, dbname } = parameters;
  const child = spawn(process.execPath, ['bin/tahr.js', 'run', '--log-level', 'info'], {
    cwd: `${import.meta.dirname}/../..`,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, TAHR_CONTROL: `host=${host} port=${port} user=${user} dbname=${dbname}` },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
};

export const end = async (
  child: ChildProcess,
  signal: NodeJS.Signals,
): Promise<{ code: number | null; ms: number }> => {
  const started = Date.now();
  child.kill(signal);
  const [code] = (await once(child, 'exit')) as [number | null];
  return { code, ms: Date.now() - started };
};
