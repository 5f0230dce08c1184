/** Runs `tahr` as a user would, and shows what was typed and what came back. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const binary = fileURLToPath(new URL('../bin/tahr.js', import.meta.url));

interface Options {
  readonly control: string;
  readonly stateDirectory: string;
  /** The demo was interrupted: nothing further is shown. */
  readonly signal: AbortSignal;
  readonly say: (text?: string) => void;
}

export class CommandLine {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  /** @throws Error when the command fails, and after its end when the demo was interrupted meanwhile */
  async show(...words: readonly string[]): Promise<void> {
    await this.#end(words, this.#start(words));
  }

  /** As `show`, for a command that waits: an interruption cuts it short. */
  async showWaiting(...words: readonly string[]): Promise<void> {
    const child = this.#start(words);
    this.#options.signal.addEventListener('abort', () => child.kill('SIGINT'), { once: true });
    await this.#end(words, child);
  }

  /** Without a word, whatever comes of it. */
  async runQuietly(...words: readonly string[]): Promise<void> {
    await exitOf(this.#spawn(words, 'ignore'));
  }

  #start(words: readonly string[]): ChildProcess {
    const { signal, say } = this.#options;
    signal.throwIfAborted();
    say(`\n$ tahr ${words.join(' ')}`);
    return this.#spawn(words, 'inherit');
  }

  async #end(words: readonly string[], child: ChildProcess): Promise<void> {
    const code = await exitOf(child);
    this.#options.signal.throwIfAborted();
    if (code !== 0) throw new Error(`tahr ${words.join(' ')} ended with exit code ${code}`);
  }

  /** In a session of its own: Ctrl-C reaches the demo only, so `tahr start` is never cut off halfway. */
  #spawn(words: readonly string[], output: 'inherit' | 'ignore'): ChildProcess {
    const { control, stateDirectory } = this.#options;
    return spawn(process.execPath, [binary, ...words], {
      env: { ...process.env, TAHR_CONTROL: control, TAHR_STATE_DIRECTORY: stateDirectory },
      stdio: ['ignore', output, output],
      detached: true,
    });
  }
}

const exitOf = async (child: ChildProcess): Promise<number | null> => {
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
};
