/**
 * A daemon that says when its rounds reach their hand-overs: `profiled-daemon.ts '{"host": …}'` with the parameters of the control
 * database. One line of JSON for each: the point, the database, when (milliseconds since 1970), and the processor time of the
 * daemon by then (milliseconds).
 */
import { writeSync } from 'node:fs';
import type { Config } from '../src/config/config.ts';
import { runDaemon } from '../src/daemon/daemon.ts';
import type { ConnectionParameters } from '../src/model/topology.ts';
import type { FaultPoint } from '../src/replication/fault-point.ts';
import { createLog } from '../src/runtime/log.ts';

export interface Passage {
  readonly point: FaultPoint | 'daemon_started';
  readonly database: string;
  readonly atMs: number;
  readonly clientMs: number;
}

const tell = (point: Passage['point'], database: string): void => {
  const { user, system } = process.cpuUsage();
  const atMs = performance.timeOrigin + performance.now();
  const passage: Passage = { point, database, atMs, clientMs: (user + system) / 1000 };
  writeSync(1, `${JSON.stringify(passage)}\n`);
};

const run = async (control: ConnectionParameters): Promise<void> => {
  tell('daemon_started', '');
  const config: Config = {
    control,
    schema: 'tahr',
    logLevel: 'warn',
    logDestination: null,
    stateDirectory: '/nowhere',
    file: null,
  };
  const stopping = new AbortController();
  process.once('SIGTERM', () => stopping.abort());
  await runDaemon({
    config,
    log: createLog({ level: 'warn', destination: 'stderr' }),
    signal: stopping.signal,
    reached: async (point, { name }) => tell(point, name),
  });
};

await run(JSON.parse(process.argv[2] ?? '') as ConnectionParameters);
