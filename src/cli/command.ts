/**
 * What a command is: its words, its settings and options, its help, and what it does. `commands/index.ts` finds them
 * all; the dispatcher, `--help` and the checks of what was typed work from this description alone.
 */
import type { Context } from './context.ts';
import { type Keys, readSettings, type Settings, keyNames } from './grammar/settings.ts';
import type { Noun } from './grammar/nouns.ts';
import type { Verb } from './grammar/verbs.ts';
import { readWords } from './grammar/words.ts';
import type { CommandOption } from './options.ts';

export const ExitCode = { done: 0, failed: 1, usage: 2, unhealthy: 3 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

interface Invocation<K extends Keys> {
  readonly names: readonly string[];
  readonly settings: Settings<K>;
}

interface Definition<K extends Keys> {
  readonly verb: Verb;
  /** Absent for verbs that stand alone. */
  readonly noun?: Noun;
  /** What follows the verb and noun: `NAME… [db=NAME]`. */
  readonly form: string;
  readonly summary: string;
  /** Further paragraphs for `--help`. */
  readonly details?: string;
  readonly keys: K;
  /** Options beyond those that every command has. */
  readonly options?: readonly CommandOption[];
  /** `--schema` names schemas to look in, not that of the installation. */
  readonly takesSchemas?: boolean;
  readonly run: (invocation: Invocation<K>, context: Context) => Promise<ExitCode>;
}

export interface Command extends Omit<Definition<Keys>, 'run'> {
  /** Reads the words after verb and noun, and does it. */
  readonly execute: (words: readonly string[], context: Context) => Promise<ExitCode>;
}

export const command = <K extends Keys>({ run, ...definition }: Definition<K>): Command => ({
  ...definition,
  execute: async (words, context) => {
    const { names, settings } = readWords(words, keyNames(definition.keys));
    return run(
      { names, settings: readSettings(definition.keys, settings, commandName(definition)) },
      context,
    );
  },
});

export const commandName = ({ verb, noun }: Pick<Command, 'verb' | 'noun'>): string =>
  noun === undefined ? verb : `${verb} ${noun}`;
