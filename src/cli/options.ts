/**
 * The options of the command line, in one table: flags, help, and which of them every command has. They may stand
 * anywhere. commander reads them; verbs, nouns and settings are not its business.
 */
import { Command as OptionParser, CommanderError, Option } from 'commander';
import { configOptions } from '../config/options.ts';
import { usageError } from './grammar/usage.ts';

interface Flag {
  readonly flags: string;
  readonly help: string;
  readonly isRepeatable?: boolean;
}

function fromConfig({ flags, environment, help }: (typeof configOptions)[keyof typeof configOptions]): Flag {
  return { flags, help: `${help} (${environment})` };
}

const { control, schema, logDestination, logLevel, stateDirectory } = configOptions;

const commonFlags = {
  control: fromConfig(control),
  config: { flags: '--config <file>', help: 'the configuration file (TAHR_CONFIG, ./tahr.yaml …)' },
  schema: { ...fromConfig(schema), flags: `-n, ${schema.flags}`, isRepeatable: true },
  quiet: { flags: '-q, --quiet', help: 'print results and errors only' },
  help: { flags: '-h, --help', help: 'explain the command' },
  version: { flags: '--version', help: 'print the version' },
} satisfies Record<string, Flag>;

const specialFlags = {
  json: { flags: '--json', help: 'print JSON' },
  verbose: { flags: '-v, --verbose', help: 'print more' },
  undecided: { flags: '--undecided', help: 'only what nobody has won' },
  dryRun: { flags: '--dry-run', help: 'check everything and change nothing' },
  force: { flags: '--force', help: 'add the database although it cannot be reached' },
  notimer: { flags: '--notimer', help: 'do not show the time while waiting' },
  excludeSchema: {
    flags: '-N, --exclude-schema <name>',
    help: 'leave out these schemas',
    isRepeatable: true,
  },
  table: { flags: '-t, --table <name>', help: 'only relations of these names', isRepeatable: true },
  excludeTable: {
    flags: '-T, --exclude-table <name>',
    help: 'leave out relations of these names',
    isRepeatable: true,
  },
  logDestination: fromConfig(logDestination),
  logLevel: fromConfig(logLevel),
  stateDirectory: fromConfig(stateDirectory),
} satisfies Record<string, Flag>;

const allFlags: Readonly<Record<string, Flag>> = { ...commonFlags, ...specialFlags };

export type CommandOption = keyof typeof specialFlags;

export interface Options {
  readonly control?: string;
  readonly config?: string;
  readonly schema?: readonly string[];
  readonly quiet?: boolean;
  readonly help?: boolean;
  readonly version?: boolean;
  readonly json?: boolean;
  readonly verbose?: boolean;
  readonly undecided?: boolean;
  readonly dryRun?: boolean;
  readonly force?: boolean;
  readonly notimer?: boolean;
  readonly excludeSchema?: readonly string[];
  readonly table?: readonly string[];
  readonly excludeTable?: readonly string[];
  readonly logDestination?: string;
  readonly logLevel?: string;
  readonly stateDirectory?: string;
}

export interface CommandLine {
  readonly options: Options;
  readonly words: readonly string[];
}

/** Options and the words between them; words after `--` are never options. */
export const readCommandLine = (argv: readonly string[]): CommandLine => {
  const parser = new OptionParser('tahr').argument('[words...]').helpOption(false).exitOverride();
  parser.configureOutput({ writeErr: () => undefined });
  parser.allowExcessArguments();
  for (const flag of Object.values(allFlags)) parser.addOption(createOption(flag));
  try {
    parser.parse([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError)
      throw usageError(sentence(error.message), '`tahr --help` lists the options.');
    throw error;
  }
  return { options: parser.opts(), words: parser.args };
};

const createOption = ({ flags, isRepeatable }: Flag): Option => {
  const option = new Option(flags);
  return isRepeatable === true
    ? option.argParser((value: string, earlier: readonly string[] | undefined) => [
        ...(earlier ?? []),
        ...value.split(','),
      ])
    : option;
};

const sentence = (message: string): string => {
  const words = message.replace(/^error: /, '').replaceAll('\n', ' ');
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${/[.?)]$/.test(words) ? '' : '.'}`;
};

/** Refuses an option that the command would silently ignore. */
export const checkOptions = (options: Options, allowed: readonly CommandOption[], command: string): void => {
  for (const name of Object.keys(options)) {
    if (name in commonFlags || (allowed as readonly string[]).includes(name)) continue;
    const flag = allFlags[name]?.flags.split(' <')[0] ?? name;
    throw usageError(
      `\`tahr ${command}\` has no option ${flag}.`,
      `\`tahr help ${command}\` lists its options.`,
    );
  }
};

/** `[flags, help]` of the options that every command has, or of those of one command. */
export const optionHelp = (names: readonly CommandOption[] | 'common'): [string, string][] =>
  (names === 'common' ? Object.values<Flag>(commonFlags) : names.map((name): Flag => specialFlags[name])).map(
    (flag) => [flag.flags, flag.help],
  );
