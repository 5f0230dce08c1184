/**
 * The command line: `tahr [options] VERB [NOUN] [NAME…] [key=value…]`. Finds the command, runs it, and turns
 * what it throws into a sentence on stderr and an exit code.
 */
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { loadConfig } from '../config/config.ts';
import { isReplicationError } from '../model/errors.ts';
import { type Command, commandName, ExitCode } from './command.ts';
import { allCommands, type CommandVerb, commandsOf } from './commands/index.ts';
import { Context } from './context.ts';
import { withControlAdvice } from './control-advice.ts';
import { findNoun, type Noun, readNoun } from './grammar/nouns.ts';
import { usageError } from './grammar/usage.ts';
import { readVerb } from './grammar/verbs.ts';
import { explain, overview } from './help.ts';
import { checkOptions, type Options, readCommandLine } from './options.ts';
import { createOutput, formatError, type Output, type Streams } from './output.ts';

export interface Program {
  /** Without the names of node and the script. */
  readonly argv: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly streams: Streams;
}

/** Never throws; the exit code. */
export const runCli = async (program: Program): Promise<ExitCode> => {
  const { streams } = program;
  try {
    const { options, words } = readCommandLine(program.argv);
    const out = createOutput(streams, { isQuiet: options.quiet === true });
    return await dispatch(program, { options, words, out });
  } catch (error) {
    streams.stderr.write(`${formatError(error)}\n`);
    return isReplicationError(error, 'usage') ? ExitCode.usage : ExitCode.failed;
  }
};

interface Line {
  readonly options: Options;
  readonly words: readonly string[];
  readonly out: Output;
}

const dispatch = async (program: Program, { options, words, out }: Line): Promise<ExitCode> => {
  const [first, ...rest] = words;
  if (options.version === true) {
    out.print(`tahr version ${version()}`);
    return ExitCode.done;
  }
  if (first === undefined) return printOverview(out, options);
  const { verb, joined } = readVerb(first);
  if (verb === 'help' || options.help === true) {
    out.print(await helpFor(verb === 'help' ? rest : words));
    return ExitCode.done;
  }
  const { command, remaining } = await findCommand(verb, [...joined, ...rest]);
  checkOptions(options, command.options ?? [], commandName(command));
  const loadOwnConfig = () => loadConfig(configSources(program, { options, command }));
  await using context = new Context({ options, out, loadConfig: loadOwnConfig, signal: interruption() });
  try {
    return await command.execute(remaining, context);
  } catch (error) {
    throw withControlAdvice(error, verb);
  }
};

const version = (): string => {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
};

/** Without any words it was a mistake, unless help was asked for. */
const printOverview = async (out: Output, { help }: Options): Promise<ExitCode> => {
  const text = overview(await allCommands());
  if (help === true) {
    out.print(text);
    return ExitCode.done;
  }
  out.error(text);
  return ExitCode.usage;
};

const helpFor = async (words: readonly string[]): Promise<string> => {
  const commands = await allCommands();
  const [first, ...rest] = words;
  if (first === undefined) return overview(commands);
  const { verb, joined } = readVerb(first);
  const noun = [...joined, ...rest].map(findNoun)[0] ?? null;
  return explain(commands, verb, noun);
};

/** The command of a verb that stands alone, or of verb and noun; what is left of the words. */
const findCommand = async (
  verb: CommandVerb,
  words: readonly string[],
): Promise<{ command: Command; remaining: readonly string[] }> => {
  const candidates = await commandsOf(verb);
  const [alone] = candidates;
  if (alone !== undefined && alone.noun === undefined) return { command: alone, remaining: words };
  const [word, ...remaining] = verb === 'add' ? allFirst(words) : words;
  const nouns = candidates.flatMap(({ noun }) => (noun === undefined ? [] : [noun]));
  const noun: Noun = readNoun(verb, word, nouns);
  const command = candidates.find((candidate) => candidate.noun === noun);
  if (command === undefined) throw usageError(`\`tahr ${verb} ${noun}\` does not exist.`);
  return { command, remaining };
};

/** `add tables all` is `add all tables`. */
const allFirst = ([noun = '', all = '', ...more]: readonly string[]): readonly string[] =>
  all.toLowerCase() === 'all' && ['table', 'sequence'].includes(findNoun(noun) ?? '')
    ? [all, noun, ...more]
    : [noun, all, ...more].filter((word) => word !== '');

/** `--schema` chooses relations in commands that add all of them, and the installation everywhere else. */
const configSources = (
  { environment, cwd }: Program,
  { options, command }: { options: Options; command: Command },
) => {
  const { control, logLevel, logDestination, stateDirectory, config } = options;
  const schema = command.takesSchemas === true ? undefined : options.schema?.at(-1);
  const flags = Object.fromEntries(
    Object.entries({ control, schema, logLevel, logDestination, stateDirectory }).filter(
      ([, value]) => value !== undefined,
    ),
  ) as Record<string, string>;
  return { flags, environment, cwd, ...(config === undefined ? {} : { explicitFile: config }) };
};

/** Aborted by the first signal, so that work under way is taken back. A second one ends the process at once. */
const interruption = (): AbortSignal => {
  const controller = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(128 + constants.signals[name]);
      controller.abort();
    });
  }
  return controller.signal;
};
