/** Runs `tahr` as a user would, and shows what was typed and what came back. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const binary = fileURLToPath(new URL('../bin/tahr.js', import.meta.url));

interface Options {
  readonly control: string;
  readonly stateDirectory: string;
  readonly say: (text?: string) => void;
}

/** @returns a function that runs one command and fails with what it printed when it fails */
export const createCommandLine = ({ control, stateDirectory, say }: Options) => {
  const environment = { ...process.env, TAHR_CONTROL: control, TAHR_STATE_DIRECTORY: stateDirectory };
  return async (words: readonly string[], { isShown } = { isShown: true }): Promise<void> => {
    if (isShown) say(`\n$ tahr ${words.join(' ')}`);
    const child = spawn(process.execPath, [binary, ...words], {
      env: environment,
      stdio: ['ignore', isShown ? 'inherit' : 'ignore', isShown ? 'inherit' : 'ignore'],
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0 && isShown) throw new Error(`tahr ${words.join(' ')} ended with exit code ${code}`);
  };
};
