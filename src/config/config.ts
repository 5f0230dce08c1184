/**
 * The configuration of a process. For each option the first counts: flag, environment, file, default. Mistakes in
 * all of them are reported together.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { FindingsError, ReplicationError } from '../model/errors.ts';
import type { ConnectionParameters } from '../model/topology.ts';
import type { LogLevel } from '../runtime/log-level.ts';
import { checkValues } from './check.ts';
import type { FileContents } from './file.ts';
import { configOptions, optionNames, type OptionName, type OptionValues } from './options.ts';

export interface Config {
  /** Null: none is named. References in it are resolved when a connection is made. */
  readonly control: ConnectionParameters | null;
  readonly schema: string;
  readonly logLevel: LogLevel;
  /** `stderr`, `stdout` or a path; null: stderr in the foreground, a file in the state directory in the background. */
  readonly logDestination: string | null;
  readonly stateDirectory: string;
  /** The file that was read. */
  readonly file: string | null;
}

export interface ConfigSources {
  readonly flags: Readonly<Partial<Record<OptionName, string>>>;
  readonly environment: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** `--config FILE`: it must exist. */
  readonly explicitFile?: string;
}

/** @throws FindingsError `configuration_invalid` with every mistake */
export const loadConfig = async (sources: ConfigSources): Promise<Config> => {
  const { flags, environment, cwd } = sources;
  const file = await findFile(sources);
  const fromFile = file === null ? { values: {}, findings: [] } : await parse(file);
  const fromEnvironment = readWords(
    (name) => environment[configOptions[name].environment],
    (name) => configOptions[name].environment,
  );
  const fromFlags = readWords((name) => flags[name], flagOf);
  const mistakes = [fromFile, fromEnvironment, fromFlags].flatMap(({ findings }) => findings);
  const [first, ...others] = mistakes.map(
    (message) => new ReplicationError('configuration_invalid', { message }),
  );
  if (first !== undefined) throw new FindingsError([first, ...others]);
  return {
    ...defaults(environment),
    ...absolutePaths(fromFile.values, file === null ? cwd : dirname(file.path)),
    ...absolutePaths({ ...fromEnvironment.values, ...fromFlags.values }, cwd),
    file: file?.path ?? null,
  };
};

/** @throws ReplicationError `configuration_invalid` when no control database is named */
export const controlOf = ({ control }: Config): ConnectionParameters => {
  if (control !== null) return control;
  throw new ReplicationError('configuration_invalid', {
    message: 'No control database is named.',
    hint: 'Give --control CONNINFO, set TAHR_CONTROL, or write control: into tahr.yaml.',
  });
};

/** What reads YAML is loaded when there is some. */
const parse = async ({ path, text }: FoundFile): Promise<FileContents> => {
  const { parseConfigFile } = await import('./file.ts');
  return parseConfigFile(text, path);
};

const defaults = (environment: NodeJS.ProcessEnv): Config => ({
  control: null,
  schema: 'tahr',
  logLevel: 'info',
  logDestination: null,
  stateDirectory: join(environment['XDG_STATE_HOME'] || join(homeOf(environment), '.local', 'state'), 'tahr'),
  file: null,
});

const homeOf = (environment: NodeJS.ProcessEnv): string => environment['HOME'] || homedir();

const flagOf = (name: OptionName): string => configOptions[name].flags.split(' ')[0] ?? name;

const readWords = (
  read: (name: OptionName) => string | undefined,
  naming: (name: OptionName) => string,
): FileContents => {
  const given = optionNames.flatMap((name) => {
    const text = read(name);
    return text === undefined || text === '' ? [] : [[naming(name), text] as const];
  });
  const { values, findings } = checkValues(Object.fromEntries(given), naming);
  return { values, findings: findings.map(({ path, sentence }) => located(path[0] ?? '', sentence)) };
};

/** A sentence of the connection string does not say where the string came from. */
const located = (source: string, sentence: string): string =>
  sentence.startsWith(source) ? sentence : `${source}: ${sentence}`;

const absolutePaths = (values: OptionValues, directory: string): OptionValues => {
  const { logDestination, stateDirectory } = values;
  const isFile = logDestination !== undefined && logDestination !== 'stderr' && logDestination !== 'stdout';
  return {
    ...values,
    ...(isFile ? { logDestination: resolve(directory, logDestination) } : {}),
    ...(stateDirectory === undefined ? {} : { stateDirectory: resolve(directory, stateDirectory) }),
  };
};

interface FoundFile {
  readonly path: string;
  readonly text: string;
}

const findFile = async ({ explicitFile, environment, cwd }: ConfigSources): Promise<FoundFile | null> => {
  const named = explicitFile ?? (environment['TAHR_CONFIG'] || null);
  if (named !== null) {
    const path = resolve(cwd, named);
    const text = await readText(path);
    if (text === null) throw unreadable(path, 'does not exist');
    return { path, text };
  }
  const own = environment['XDG_CONFIG_HOME'] || join(homeOf(environment), '.config');
  for (const path of [join(cwd, 'tahr.yaml'), join(own, 'tahr', 'tahr.yaml'), '/etc/tahr.yaml']) {
    const text = await readText(path);
    if (text !== null) return { path, text };
  }
  return null;
};

const readText = async (path: string): Promise<string | null> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw unreadable(path, `cannot be read (${code})`);
  }
};

const unreadable = (path: string, reason: string): ReplicationError =>
  new ReplicationError('configuration_invalid', {
    message: `The configuration file ${path} ${reason}.`,
    hint: 'Name the file with --config or TAHR_CONFIG; without both, tahr.yaml is looked for and need not exist.',
    facts: { file: path },
  });
