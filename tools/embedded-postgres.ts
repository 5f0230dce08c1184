/**
 * Real PostgreSQL servers for the tests and the demo, from the npm packages `pg13-linux-x64` to `pg18-linux-x64`.
 *
 * - Nothing of the machine is needed: no PostgreSQL, no user account, no install script of a package.
 * - PostgreSQL refuses to run as root: started by root, a server runs as nobody.
 * - No server outlives the process that started it, however that ends: each has a guard that waits on a pipe.
 * - Every server has its own system identifier, as if initdb had made it, though it starts as a copy of a template.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Binaries, findBinaries, runAs } from './postgres-binaries.ts';
import { copyCluster, createCluster, giveToServer } from './postgres-cluster.ts';

export const majors = [13, 14, 15, 16, 17, 18] as const;

export type StopMode = 'smart' | 'fast' | 'immediate';

export interface ServerOptions {
  /** 13 to 18; 18 when left out. */
  readonly major?: number;
  /** Other programs than those of the npm packages. */
  readonly binaries?: Binaries;
  /** Where its files are, kept when the server is disposed of and used again; a temporary one when left out. */
  readonly directory?: string;
  /** A server that is stopped: this one begins with a copy of its files. */
  readonly copyOf?: Server;
  /** It follows another server, as `settings` say, until it is promoted. */
  readonly isStandby?: boolean;
  readonly settings?: Readonly<Record<string, string>>;
  /** Variables for the server's processes, beside those that it needs. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The contents of pg_hba.conf; everybody on this machine is trusted when left out. */
  readonly hba?: string;
}

export interface Server extends AsyncDisposable {
  readonly major: number;
  readonly socketDirectory: string;
  /** The same on the unix socket and on 127.0.0.1. */
  readonly port: number;
  readonly dataDirectory: string;
  /** Of the superuser on the unix socket. */
  readonly parameters: {
    readonly host: string;
    readonly port: string;
    readonly user: string;
    readonly dbname: string;
  };
  /** Returns when the server answers. */
  start(): Promise<void>;
  stop(mode?: StopMode): Promise<void>;
  /** SIGKILL to the postmaster and all its children. */
  kill(): Promise<void>;
}

/** @throws Error with the end of the server's log when it does not start */
export const startServer = async (options: ServerOptions = {}): Promise<Server> => {
  const binaries = options.binaries ?? (await findBinaries(options.major ?? 18));
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), `tahr-pg${binaries.major}-`)));
  const socketDirectory = await mkdtemp('/tmp/tahr-socket-');
  for (const path of [directory, socketDirectory]) await giveToServer(path);
  const dataDirectory = join(directory, 'data');
  if (options.copyOf === undefined) await createCluster(binaries, dataDirectory);
  else await copyCluster(options.copyOf.dataDirectory, dataDirectory);
  if (options.isStandby) await writeFile(join(dataDirectory, 'standby.signal'), '');
  await writeFile(join(dataDirectory, 'pg_hba.conf'), options.hba ?? trustEverybody);
  const server = new EmbeddedServer(binaries, {
    dataDirectory,
    socketDirectory,
    port: await freePort(),
    settings: options.settings ?? {},
    environment: options.environment ?? {},
    obsolete: options.directory === undefined ? [directory, socketDirectory] : [socketDirectory],
  });
  try {
    await server.start();
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
};

const trustEverybody = [
  'local all all trust',
  'host all all 127.0.0.1/32 trust',
  'local replication all trust',
  '',
].join('\n');

interface Placement {
  readonly dataDirectory: string;
  readonly socketDirectory: string;
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
  /** Removed when the server is disposed of. */
  readonly obsolete: readonly string[];
}

class EmbeddedServer implements Server {
  readonly major: number;
  readonly socketDirectory: string;
  readonly port: number;
  readonly dataDirectory: string;
  readonly #binaries: Binaries;
  readonly #placement: Placement;
  #postmaster: ChildProcess | null = null;

  constructor(binaries: Binaries, placement: Placement) {
    this.major = binaries.major;
    this.socketDirectory = placement.socketDirectory;
    this.port = placement.port;
    this.dataDirectory = placement.dataDirectory;
    this.#binaries = binaries;
    this.#placement = placement;
  }

  get parameters(): Server['parameters'] {
    return { host: this.socketDirectory, port: String(this.port), user: 'postgres', dbname: 'postgres' };
  }

  async start(): Promise<void> {
    if (this.#postmaster !== null) return;
    const logPath = join(this.dataDirectory, 'server.log');
    const log = await open(logPath, 'a');
    const postmaster = spawn(
      '/bin/sh',
      ['-c', underGuard, this.#binaries.path('postgres'), ...this.#arguments()],
      {
        ...runAs,
        env: { ...this.#binaries.environment, ...this.#placement.environment },
        cwd: '/',
        // A group of its own: Ctrl-C in the terminal reaches us, and we stop the server in our order.
        detached: true,
        stdio: ['ignore', log.fd, log.fd, 'pipe'],
      },
    );
    this.#postmaster = postmaster;
    postmaster.once('exit', () => {
      this.#postmaster = null;
      guardPipe(postmaster).end('ended\n');
    });
    await log.close();
    // The guard must not keep our own process alive, nor end it by a broken pipe.
    postmaster.unref();
    guardPipe(postmaster)
      .on('error', () => undefined)
      .unref();
    await this.#waitUntilReady(logPath);
  }

  async stop(mode: StopMode = 'fast'): Promise<void> {
    const postmaster = this.#postmaster;
    if (postmaster === null) return;
    const signal = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;
    await end(postmaster, () => postmaster.kill(signal[mode]));
  }

  async kill(): Promise<void> {
    const postmaster = this.#postmaster;
    if (postmaster?.pid === undefined) return;
    const pid = postmaster.pid;
    await end(postmaster, async () => {
      // Stopped first, so that it starts no further child between the look and the kill.
      postmaster.kill('SIGSTOP');
      while (!isStopped(await statusOf(pid))) await sleep(1);
      const victims = [pid, ...(await childrenOf(pid))];
      for (const victim of victims) killIfThere(victim);
      // One that is still there would keep the next postmaster from the shared memory.
      for (const victim of victims) while (isRunning(await statusOf(victim))) await sleep(1);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('immediate');
    for (const path of this.#placement.obsolete) await rm(path, { recursive: true, force: true });
  }

  #arguments(): string[] {
    const settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: this.socketDirectory,
      port: String(this.port),
      ...this.#placement.settings,
    };
    return [
      '-D',
      this.dataDirectory,
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ];
  }

  /** The postmaster writes `ready` into its pid file when it takes connections, as pg_ctl -w reads it. */
  async #waitUntilReady(logPath: string): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (this.#postmaster !== null && Date.now() < deadline) {
      const lines = (
        await readFile(join(this.dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '')
      ).split('\n');
      if (Number(lines[0]) === this.#postmaster?.pid && lines[7]?.trim() === 'ready') return;
      await sleep(20);
    }
    const log = await readFile(logPath, 'utf8');
    throw new Error(`PostgreSQL ${this.major} did not start; its log ends with:\n${log.slice(-2000)}`);
  }
}

/**
 * The shell becomes the postmaster; a child of it stays and reads from descriptor 3. A line means that the server
 * has ended in good order; the end of the pipe without a line means that our process is gone, and stops the server.
 * The child is started by a child that ends at once, so that the postmaster never sees it as its own.
 */
const underGuard = `( ( read -r line <&3 || kill -QUIT $$ ) >/dev/null 2>&1 & ); exec "$0" "$@" 3<&-`;

const guardPipe = (postmaster: ChildProcess) => postmaster.stdio[3] as Socket;

const end = async (postmaster: ChildProcess, work: () => unknown): Promise<void> => {
  postmaster.ref();
  const exit = once(postmaster, 'exit');
  await work();
  await exit;
};

interface ProcessStatus {
  /** `T`: stopped; `Z`: ended, and its parent has not asked yet. */
  readonly state: string;
  readonly parent: number;
}

/** From /proc, because a small machine need not have `ps`: the first two fields behind the name. Null: there is none. */
const statusOf = async (pid: number): Promise<ProcessStatus | null> => {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (line === null) return null;
  const [state = '', parent] = line.slice(line.lastIndexOf(')') + 2).split(' ');
  return { state, parent: Number(parent) };
};

const isRunning = (status: ProcessStatus | null): boolean => status !== null && status.state !== 'Z';

const isStopped = (status: ProcessStatus | null): boolean => !isRunning(status) || status?.state === 'T';

const childrenOf = async (parent: number): Promise<number[]> => {
  const processes = (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
  const found = await Promise.all(processes.map(statusOf));
  return processes.filter((_, index) => found[index]?.parent === parent);
};

const killIfThere = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
};

/** Below the range that the kernel gives to outgoing connections: it stays free while the server is stopped. */
const freePort = async (): Promise<number> => {
  for (;;) {
    const port = 15_000 + Math.floor(Math.random() * 15_000);
    const probe = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }
};
