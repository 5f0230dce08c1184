/** Tahr as its users run it: commands, and a daemon in a process of its own whose memory and processor time can be asked. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { ConnectionParameters } from '../src/model/topology.ts';
import { formatConninfo } from './conninfo.ts';
import { Profile } from './profile.ts';

/** Compiled as it is published: `npm run bench` does that first. */
const program = fileURLToPath(new URL('../dist-bench/main.js', import.meta.url));

/** As `bin/tahr.js` has one: a start need not compile what an earlier one has compiled. */
const compileCache = fileURLToPath(new URL('../dist-bench/.compile-cache', import.meta.url));

/** Of the kernel (`getconf CLK_TCK`), which is the same on all Linux machines. */
const ticksPerSecond = 100;

export interface Usage {
  readonly cpuSeconds: number;
  /** The largest resident set so far. */
  readonly peakMegabytes: number;
}

const profiledDaemon = fileURLToPath(new URL('profiled-daemon.ts', import.meta.url));

/** Takes the table of where the time of a daemon's rounds went, when it has ended. */
export type ProfileSink = (table: string) => void;

export class Tahr {
  readonly #control: ConnectionParameters;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #profileSink: ProfileSink | null;

  constructor(control: ConnectionParameters, profileSink: ProfileSink | null) {
    this.#control = control;
    this.#environment = {
      ...process.env,
      NODE_COMPILE_CACHE: compileCache,
      TAHR_CONTROL: formatConninfo(control),
    };
    this.#profileSink = profileSink;
  }

  /** @throws Error with what the command has printed, when it fails */
  async run(...words: readonly string[]): Promise<void> {
    const child = spawn(process.execPath, [program, ...words], {
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`tahr ${words.join(' ')} ended with exit code ${code}:\n${output}`);
  }

  startDaemon(): Daemon {
    if (this.#profileSink !== null) return this.#startProfiled(this.#profileSink);
    const child = spawn(process.execPath, [program, 'run', '--log-level', 'warn'], {
      env: this.#environment,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return new Daemon(child);
  }

  #startProfiled(sink: ProfileSink): Daemon {
    const child = spawn(process.execPath, [profiledDaemon, JSON.stringify(this.#control)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const profile = new Profile(child.stdout);
    return new Daemon(child, async () => sink(await profile.table()));
  }
}

export class Daemon implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #afterwards: () => Promise<void>;

  constructor(child: ChildProcess, afterwards: () => Promise<void> = async () => undefined) {
    this.#child = child;
    this.#afterwards = afterwards;
  }

  /** Since its start. */
  async usage(): Promise<Usage> {
    const directory = `/proc/${this.#child.pid}`;
    const stat = await readFile(`${directory}/stat`, 'utf8');
    // Behind the name, which may hold spaces: utime and stime are the 12th and 13th from there (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const status = await readFile(`${directory}/status`, 'utf8');
    const peak = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
      peakMegabytes: Number(peak) / 1024,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.kill('SIGTERM');
    await once(this.#child, 'exit');
    await this.#afterwards();
  }
}
