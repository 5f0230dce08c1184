/**
 * A daemon in a process of its own that gets a signal from itself when it reaches a fault point:
 * `faulty-daemon.ts '{"control": {…}, "signal": "SIGKILL", "point": "committing", "database": "B"}'`. It prints a line first.
 */
import type { Config } from '../../src/config/config.ts';
import { runDaemon } from '../../src/daemon/daemon.ts';
import type { ConnectionParameters } from '../../src/model/topology.ts';
import type { FaultPoint, Reached } from '../../src/replication/fault-point.ts';
import { createLog } from '../../src/runtime/log.ts';

export interface Fault {
  readonly signal: 'SIGKILL' | 'SIGSTOP';
  readonly point: FaultPoint;
  readonly database: string;
}

interface FaultyDaemonOptions extends Fault {
  readonly control: ConnectionParameters;
}

const run = async ({ control, signal, point, database }: FaultyDaemonOptions): Promise<void> => {
  const config: Config = {
    control,
    schema: 'tahr',
    logLevel: 'warn',
    logDestination: null,
    stateDirectory: '/nowhere',
    file: null,
  };
  let isDone = false;
  const reached: Reached = async (where, { name }) => {
    if (isDone || where !== point || name !== database) return;
    isDone = true;
    process.stdout.write(`${signal} at ${point} of ${database}\n`);
    process.kill(process.pid, signal);
  };
  await runDaemon({
    config,
    log: createLog({ level: 'warn', destination: 'stderr' }),
    signal: new AbortController().signal,
    reached,
  });
};

await run(JSON.parse(process.argv[2] ?? '') as FaultyDaemonOptions);
