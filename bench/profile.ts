/** Where the time of rounds goes: from hand-over to hand-over, by the clock, and the processor time of daemon and servers. */
import type { Readable } from 'node:stream';
import { readdir, readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { digits } from './figure.ts';
import type { Passage } from './profiled-daemon.ts';

interface Step {
  count: number;
  wallMs: number;
  clientMs: number;
  serverMs: number;
}

/** Listens to a daemon of `profiled-daemon.ts` as long as it lives. */
export class Profile {
  readonly #steps = new Map<string, Step>();
  readonly #done: Promise<void>;
  #last: (Passage & { readonly serverMs: number }) | null = null;

  constructor(passages: Readable) {
    this.#done = this.#listen(passages);
  }

  /** A row for each step, when the daemon has ended. */
  async table(): Promise<string> {
    await this.#done;
    const rows = [...this.#steps].map(([name, { count, wallMs, clientMs, serverMs }]) => {
      const each = [wallMs, clientMs, serverMs, Math.max(0, wallMs - clientMs - serverMs)];
      return [name, String(count), ...each.map((ms) => digits(ms / count))];
    });
    return [['step', 'times', 'ms', 'daemon', 'servers', 'wire and waiting'], ...rows]
      .map(([name = '', ...cells]) => `${name.padEnd(36)}${cells.map((cell) => cell.padStart(18)).join('')}`)
      .join('\n');
  }

  async #listen(passages: Readable): Promise<void> {
    for await (const line of createInterface(passages)) {
      const passage = JSON.parse(line) as Passage;
      const now = { ...passage, serverMs: await serverMsByNow() };
      if (this.#last !== null) this.#add(this.#last, now);
      this.#last = now;
    }
  }

  #add(before: Passage & { serverMs: number }, now: Passage & { serverMs: number }): void {
    const name = `${before.point} → ${now.point}`;
    const step = this.#steps.get(name) ?? { count: 0, wallMs: 0, clientMs: 0, serverMs: 0 };
    step.count += 1;
    step.wallMs += now.atMs - before.atMs;
    step.clientMs += now.clientMs - before.clientMs;
    step.serverMs += Math.max(0, now.serverMs - before.serverMs);
    this.#steps.set(name, step);
  }
}

/** Of all backends of the databases of benchmarks on this machine; where there are none it stays 0. */
const serverMsByNow = async (): Promise<number> => {
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const times = await Promise.all(processes.map(backendMs));
  return times.reduce((sum, ms) => sum + ms, 0);
};

const backendMs = async (pid: string): Promise<number> => {
  try {
    const title = await readFile(`/proc/${pid}/cmdline`, 'utf8');
    if (!title.startsWith('postgres: ') || !title.includes(' tahr_bench_')) return 0;
    // Time on a processor in nanoseconds is the first of three numbers (the kernel's documentation, sched-stats).
    const [onProcessorNs] = (await readFile(`/proc/${pid}/schedstat`, 'utf8')).split(' ');
    return Number(onProcessorNs) / 1e6;
  } catch {
    // It has ended since it was listed.
    return 0;
  }
};
